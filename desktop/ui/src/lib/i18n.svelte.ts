import type { Language } from './backend';
import { tables, type Words } from './words';

class I18n {
  language = $state<Language>('ko');
  /** Whether times go from 0 to 24 in every language. */
  wholeDay = $state(false);

  get words(): Words {
    return tables[this.language];
  }

  use(language: Language): void {
    this.language = language;
    document.documentElement.lang = language;
  }
}

/** The language of the window. One per window, so it is a plain module value. */
export const i18n = new I18n();
