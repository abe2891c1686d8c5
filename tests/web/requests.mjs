// A locker's reading of message 2, out of the phone's own parsers: for vectors, not for phones.
import { decode } from "../../server/web/kit/slk1/codec.js";
import { Operation } from "../../server/web/kit/slk1/codes.js";
import { Malformed } from "../../server/web/kit/slk1/errors.js";
import {
  asArray,
  asBytes,
  asCompartment,
  asOptional,
  asUint,
} from "../../server/web/kit/slk1/fields.js";
import { parseStatement } from "../../server/web/kit/slk1/statements.js";
import { parseDelegation, parseToken } from "../../server/web/kit/slk1/tokens.js";

export function parseRequest(plain) {
  const [parts, pop, wish, brought] = asArray(decode(plain), 4);
  const chain = asArray(parts).map((part) => asBytes(part));
  if (chain.length < 1 || chain.length > 3) throw new Malformed("not a chain");
  const [op, comp, code] = asArray(wish, 3);
  if (!Object.values(Operation).includes(op)) throw new Malformed("an unknown operation");
  const isPair = op === Operation.OPEN_ALL && chain.length === 2;
  const statements = asArray(brought).map((item) => asArray(item, 2));
  if (statements.length > 4) throw new Malformed("too many statements");
  statements.forEach(([type, raw]) => parseStatement(type, asBytes(raw)));
  return {
    chain,
    token: parseToken(chain[0]),
    rest: chain.slice(1).map(isPair ? parseToken : parseDelegation),
    pop: asBytes(pop, 64),
    wish: {
      op,
      comp: asOptional(comp, asCompartment),
      code: asOptional(code, (value) => asUint(value, 100)),
    },
    statements,
  };
}
