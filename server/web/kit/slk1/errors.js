/**
 * What can go wrong between a phone and a locker, told apart by what helps:
 *
 *   Slk1Error
 *   |-- Malformed      bytes that SLK1 does not allow, whoever wrote them: the one parse error
 *   |-- NotVouched     an answer that the locker's signing key does not stand behind: no receipt
 *   |-- NotShared      what was asked would share nothing, or more than this phone holds
 *   `-- LinkError      the radio: come nearer, or connect again
 *       |-- NotFound   no locker was chosen or found
 *       |-- Lost       the connection could not be made or has ended: read a new hello
 *       |-- Silent     no answer in time, so the outcome is not known
 *       `-- Refused    an ATT error; `code` is its number, null where the browser keeps it back
 */
export class Slk1Error extends Error {
  /**
   * @param {string} message what was expected and met
   * @param {{cause?: unknown}} [options]
   */
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

export class Malformed extends Slk1Error {}

export class NotVouched extends Slk1Error {}

export class NotShared extends Slk1Error {
  /**
   * @param {string} reason NO_INVITE, NOT_EXTENDABLE, NOT_HOLDER, TOO_LONG, PAST, NOT_FOR_US or
   *   BROKEN: stable, for whoever words it
   * @param {string} message
   * @param {{cause?: unknown}} [options]
   */
  constructor(reason, message, options) {
    super(message, options);
    this.reason = reason;
  }
}

export class LinkError extends Slk1Error {}

export class NotFound extends LinkError {}

export class Lost extends LinkError {}

export class Silent extends LinkError {}

export class Refused extends LinkError {
  /**
   * @param {number|null} code ATT error; 0x80 and above are `AttError` of gatt.js
   * @param {{cause?: unknown}} [options]
   */
  constructor(code, options) {
    const number = code === null ? "" : ` 0x${code.toString(16)}`;
    super(`the locker refused with an ATT error${number}`, options);
    this.code = code;
  }
}
