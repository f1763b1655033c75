//! The file for people: one page with everything in it.
//!
//! What others wrote is hostile until shown otherwise: all of it is escaped, and the page forbids itself
//! scripts, forms and every kind of loading. Links are text.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use sori_engine::view::{GroupView, MessageKind, MessageView, NoticeView};

use super::words::Words;
use super::{ExportLanguage, Format, time};

/// Most texts remembered for quoting in answers to them, and most characters of each.
const QUOTES_MAX: usize = 4096;
const QUOTE_CHARS: usize = 80;

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = "\
:root{color-scheme:light dark;--me:#dfe9ff;--line:#8886}\
@media(prefers-color-scheme:dark){:root{--me:#26365a}}\
body{font:16px/1.5 system-ui,'Noto Sans KR','Malgun Gothic',sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;word-break:keep-all;overflow-wrap:anywhere}\
h1{font-size:1.4rem}h2{font-size:.9rem;text-align:center;font-weight:600;border-top:1px solid var(--line);padding-top:.7rem}\
.w,.n{font-size:.85rem;opacity:.8}.n{text-align:center}\
article{margin:.5rem 0;padding:.4rem .8rem;border-radius:.7rem;border:1px solid var(--line);width:fit-content;max-width:85%}\
.me{margin-left:auto;background:var(--me)}\
.t{white-space:pre-wrap;margin:.1rem 0}footer,blockquote{font-size:.8rem;opacity:.8;margin:.1rem 0}\
blockquote{border-left:3px solid var(--line);padding-left:.5rem}";

/// Writes the HTML form.
pub(super) struct Html {
    language: ExportLanguage,
    words: &'static Words,
    /// The day that the last line was sent.
    day: String,
    quotes: Quotes,
}

/// How the last [`QUOTES_MAX`] messages begin, escaped, by their ids.
#[derive(Default)]
struct Quotes {
    texts: BTreeMap<String, String>,
    order: VecDeque<String>,
}

impl Html {
    pub(super) fn new(language: ExportLanguage) -> Self {
        Self {
            language,
            words: Words::of(language),
            day: String::new(),
            quotes: Quotes::default(),
        }
    }

    fn name(&self, message: &MessageView) -> String {
        if message.mine {
            return self.words.me.to_owned();
        }
        self.somebody(&message.sender_name)
    }

    fn somebody(&self, name: &str) -> String {
        let name = if name.trim().is_empty() {
            self.words.somebody
        } else {
            name
        };
        escape(name)
    }

    fn notice(&self, notice: &NoticeView) -> String {
        let places = [
            ("{0}", self.somebody(&notice.actor)),
            ("{1}", escape(&notice.object)),
            ("{2}", escape(self.words.role(&notice.detail))),
        ];
        fill(self.words.notice(&notice.what), &places)
    }

    fn text(&self, message: &MessageView) -> String {
        if message.hidden {
            return format!("<em>{}</em>", self.words.hidden);
        }
        if message.deleted {
            return format!("<em>{}</em>", self.words.deleted);
        }
        if message.kind == MessageKind::Unknown && message.text.is_empty() {
            return format!("<em>{}</em>", self.words.unsupported);
        }
        let Some(file) = &message.file else {
            return escape(&message.text);
        };
        let places = [("{0}", escape(&file.name)), ("{1}", file.size.to_string())];
        let file = format!("<em>{}</em>", fill(self.words.file, &places));
        match message.text.is_empty() {
            true => file,
            false => format!("{}<br>{file}", escape(&message.text)),
        }
    }

    fn footer(&self, message: &MessageView, clock: &str) -> String {
        let mut parts = vec![clock.to_owned()];
        if message.edited && !message.deleted {
            parts.push(self.words.edited.to_owned());
        }
        if message.mine && message.copies <= 1 && message.members > 1 {
            parts.push(self.words.only_here.to_owned());
        }
        for reaction in &message.reactions {
            parts.push(format!(
                "{} {}",
                escape(&reaction.emoji),
                reaction.senders.len()
            ));
        }
        parts.join(" · ")
    }

    fn quote(&self, message: &MessageView) -> String {
        let answered = message.in_reply_to.as_ref();
        let quoted = answered.map(|id| self.quotes.texts.get(id));
        match quoted {
            None => String::new(),
            Some(None) => format!("<blockquote>{} …</blockquote>", self.words.answers),
            Some(Some(text)) => format!("<blockquote>{text}</blockquote>"),
        }
    }
}

impl Quotes {
    /// Remembers the beginning of a text, and forgets the oldest above the bound. `name` is escaped already.
    fn remember(&mut self, message: &MessageView, name: &str, text: &str) {
        let short: String = text.chars().take(QUOTE_CHARS).collect();
        self.texts
            .insert(message.id.clone(), format!("{name}: {}", escape(&short)));
        self.order.push_back(message.id.clone());
        if self.order.len() > QUOTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.texts.remove(&oldest);
        }
    }
}

impl Format for Html {
    fn begin(&mut self, out: &mut dyn Write, group: &GroupView) -> io::Result<()> {
        let now = u64::try_from(time::now_ms()).unwrap_or_default();
        let (day, clock) = time::read(now, self.language).unwrap_or_default();
        let title = fill(self.words.title, &[("{0}", escape(&group.name))]);
        let warning = fill(self.words.warning, &[("{0}", format!("{day} {clock}"))]);
        write!(
            out,
            "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<p class=\"w\">{warning}</p>\n<main>\n",
            self.words.language
        )
    }

    fn line(&mut self, out: &mut dyn Write, message: &MessageView) -> io::Result<()> {
        let (day, clock) = time::read(message.sent_at, self.language).unwrap_or_default();
        if day != self.day {
            writeln!(out, "<h2>{day}</h2>")?;
            self.day = day;
        }
        if let Some(notice) = &message.notice {
            return writeln!(out, "<p class=\"n\">{} · {clock}</p>", self.notice(notice));
        }
        let name = self.name(message);
        let quote = self.quote(message);
        if !message.deleted && !message.hidden {
            self.quotes.remember(message, &name, &message.text);
        }
        writeln!(
            out,
            "<article{}><strong>{name}</strong>{quote}<p class=\"t\" dir=\"auto\">{}</p><footer>{}</footer></article>",
            if message.mine { " class=\"me\"" } else { "" },
            self.text(message),
            self.footer(message, &clock)
        )
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"</main>\n</html>\n")
    }
}

/// Puts values where their places stand; what is put in is not looked into.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (index, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values
            .iter()
            .find(|(place, _)| place.trim_matches(['{', '}']) == index);
        text.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    text.push_str(rest);
    text
}

/// Text that a browser shows as it is: no markup, nothing that controls or turns the direction of writing.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}
