/** What a browser keeps for us: named values in one database, whole or not at all. */

const NAME = "restante";
const PLACE = "kept";

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(PLACE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(place: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>} once it is on the disk
 */
async function run(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(PLACE, mode, { durability: "strict" });
      const asked = work(transaction.objectStore(PLACE));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {string} key */
export const find = (key) => run("readonly", (place) => place.get(key));

/**
 * @param {string} key
 * @param {unknown} value
 */
export const keep = (key, value) => run("readwrite", (place) => place.put(value, key));

/** @param {string} key */
export const drop = (key) => run("readwrite", (place) => place.delete(key));

/**
 * Changes a value by what it is; nobody else changes it in between.
 * @param {string} key
 * @param {(kept: any) => unknown} how gives the new value
 * @returns {Promise<any>} the new value
 */
export async function change(key, how) {
  let made;
  await run("readwrite", (place) => {
    const asked = place.get(key);
    asked.onsuccess = () => place.put((made = how(asked.result)), key);
    return asked;
  });
  return made;
}

/** Forgets everything, the device's key too. */
export const dropAll = () => run("readwrite", (place) => place.clear());

/**
 * A value that is made once: of two tabs that make one at the same time the first is kept.
 * @template T
 * @param {string} key
 * @param {T} made
 * @returns {Promise<T>} what is kept
 */
export async function keepFirst(key, made) {
  await run("readwrite", (place) => {
    const asked = place.get(key);
    asked.onsuccess = () => {
      if (asked.result === undefined) place.put(made, key);
    };
    return asked;
  });
  return /** @type {Promise<T>} */ (find(key));
}
