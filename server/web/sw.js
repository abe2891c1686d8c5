/** Keeps the app's files for when there is no network. `VERSION` and `FILES` are put before this. */

const NAME = `restante ${VERSION}`;

addEventListener("install", (event) => event.waitUntil(fetchAll()));
addEventListener("activate", (event) => event.waitUntil(forgetOthers()));

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const path = request.mode === "navigate" && pathname.startsWith("/app") ? "/app/" : pathname;
  if (request.method === "GET" && origin === location.origin && FILES.includes(path))
    event.respondWith(answer(path, event));
});

async function fetchAll() {
  const cache = await caches.open(NAME);
  // Past the browser's own cache: a version is whole, or it is none.
  await cache.addAll(FILES.map((path) => new Request(path, { cache: "reload" })));
  await skipWaiting();
}

async function forgetOthers() {
  for (const name of await caches.keys()) if (name !== NAME) await caches.delete(name);
  await clients.claim();
}

async function answer(path, { request, clientId }) {
  // Other pages share some of the files, but come with the server's version of them.
  const client = await clients.get(clientId);
  if (client && !new URL(client.url).pathname.startsWith("/app")) return fetch(request);
  const cache = await caches.open(NAME);
  return (await cache.match(path)) ?? fetch(request);
}
