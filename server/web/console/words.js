/** The console's words, in the four languages of the notices; only the spoken one is loaded. */

export default {
  de: () => import("./words/de.js"),
  en: () => import("./words/en.js"),
  es: () => import("./words/es.js"),
  fr: () => import("./words/fr.js"),
};
