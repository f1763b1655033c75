//! Reads a body part by part and sorts it into what can be shown and what cannot (draft §4.4).

use crate::media_type::{TextKind, text_kind};
use crate::{
    Disposition, ExternalPart, MultiPart, NestedPart, PartBody, PartSemantics, SinglePart,
};

/// How the addresses of parts begin that members fetch from each other.
const FILE_SCHEME: &str = "sori:file/";

/// What came of reading a part.
#[derive(Default)]
pub(crate) struct Reading<'a> {
    texts: Vec<(TextKind, &'a str)>,
    /// Parts that lie elsewhere, under an address of Sori.
    files: Vec<&'a ExternalPart>,
    /// Descriptions of external parts: a help to the reader, not content.
    descriptions: Vec<&'a str>,
    /// Media types of the parts that could not be read.
    unread: Vec<&'a str>,
}

impl<'a> Reading<'a> {
    /// Reads `part`. The recursion is as deep as the part, at most
    /// [`PART_DEPTH_MAX`](crate::limits::PART_DEPTH_MAX) levels.
    pub(crate) fn of(part: &'a NestedPart) -> Self {
        let mut reading = Self::default();
        let disposition = part.disposition();
        // A preview is not needed to understand what it previews.
        if disposition == Disposition::PREVIEW {
            return reading;
        }
        if let PartBody::External(external) = part.body()
            && external.url.starts_with(FILE_SCHEME)
        {
            reading.files.push(external);
            return reading;
        }
        // A reaction that came here could not be shown as one; its text is at least readable.
        if !disposition.is_shown() && disposition != Disposition::REACTION {
            reading.add_unread(part);
            return reading;
        }
        match part.body() {
            PartBody::Null => {}
            PartBody::Single(single) => reading.add_single(single),
            PartBody::External(_) => reading.add_unread(part),
            PartBody::Multi(multi) => return Self::of_multi(multi),
        }
        reading
    }

    /// Whether there is something to show and nothing besides it that cannot be shown.
    pub(crate) const fn is_complete(&self) -> bool {
        self.unread.is_empty() && !(self.texts.is_empty() && self.files.is_empty())
    }

    /// All that can be read, in the order of the parts.
    pub(crate) fn text(&self) -> Option<String> {
        let texts = self.texts.iter().map(|(_, text)| *text);
        let lines: Vec<_> = texts.chain(self.descriptions.iter().copied()).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The parts that can be fetched.
    pub(crate) fn files(&self) -> Vec<ExternalPart> {
        self.files.iter().map(|part| (*part).clone()).collect()
    }

    /// All that is Markdown.
    pub(crate) fn markdown(&self) -> Option<String> {
        let lines: Vec<_> = self
            .texts
            .iter()
            .filter(|(kind, _)| *kind == TextKind::Markdown)
            .map(|(_, text)| *text)
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The media types that could not be read, each once, the first `max` of them.
    pub(crate) fn unread_types(&self, max: usize) -> Vec<String> {
        let mut types: Vec<String> = Vec::new();
        for unread in &self.unread {
            let is_new = !unread.is_empty() && !types.iter().any(|known| known == unread);
            if is_new && types.len() < max {
                types.push((*unread).to_owned());
            }
        }
        types
    }

    fn of_multi(multi: &'a MultiPart) -> Self {
        let readings = multi.parts().iter().map(Self::of);
        match multi.semantics() {
            PartSemantics::ChooseOne => Self::choose(readings.collect()),
            PartSemantics::ProcessAll => Self::merge(readings),
            PartSemantics::SingleUnit => Self::all_or_nothing(multi, readings),
        }
    }

    /// The first that can be shown wholly, else the first that can be shown in part.
    ///
    /// The order is the sender's preference, and the choice depends on nothing else: so all devices
    /// that run this code show the same (draft §9.5).
    fn choose(readings: Vec<Self>) -> Self {
        let complete = readings.iter().position(Self::is_complete);
        let chosen = complete.or_else(|| readings.iter().position(|one| !one.texts.is_empty()));
        match chosen {
            Some(index) => readings.into_iter().nth(index).unwrap_or_default(),
            None => Self::merge(readings),
        }
    }

    /// What is one unit is shown only if all of it can be.
    fn all_or_nothing(multi: &'a MultiPart, readings: impl Iterator<Item = Self>) -> Self {
        let mut reading = Self::merge(readings);
        if !reading.unread.is_empty() {
            reading = Self::default();
            multi
                .parts()
                .iter()
                .for_each(|part| reading.add_unread(part));
        }
        reading
    }

    fn merge(readings: impl IntoIterator<Item = Self>) -> Self {
        readings.into_iter().fold(Self::default(), |mut all, one| {
            all.texts.extend(one.texts);
            all.files.extend(one.files);
            all.descriptions.extend(one.descriptions);
            all.unread.extend(one.unread);
            all
        })
    }

    fn add_single(&mut self, single: &'a SinglePart) {
        match (
            text_kind(single.content_type()),
            std::str::from_utf8(single.content()),
        ) {
            (Some(kind), Ok(text)) => self.texts.push((kind, text)),
            (Some(_) | None, Ok(_) | Err(_)) => self.unread.push(single.content_type()),
        }
    }

    /// Adds `part` and all parts within it to what could not be read.
    fn add_unread(&mut self, part: &'a NestedPart) {
        match part.body() {
            PartBody::Null => {}
            PartBody::Single(single) => self.unread.push(single.content_type()),
            PartBody::External(external) => {
                self.unread.push(&external.content_type);
                if !external.description.is_empty() {
                    self.descriptions.push(&external.description);
                }
            }
            PartBody::Multi(multi) => multi.parts().iter().for_each(|part| self.add_unread(part)),
        }
    }
}
