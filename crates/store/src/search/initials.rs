//! Initial consonants (초성): the first letter of a Hangul syllable, as people type it to abbreviate.

/// The place of the initial consonant that `c` has or is, from 1 to 19 in the order of Unicode; `None`
/// for anything but a syllable or a consonant that can begin one.
pub(super) fn initial(c: char) -> Option<u8> {
    let place = match u32::from(c) {
        syllable @ SYLLABLE_FIRST..=SYLLABLE_LAST => {
            syllable.checked_sub(SYLLABLE_FIRST)? / SYLLABLES_PER_INITIAL
        }
        _ => return written_initial(c),
    };
    u8::try_from(place).ok()?.checked_add(1)
}

/// The place of the initial consonant that `c` is when written alone (`ㅅ`, U+3145).
pub(super) fn written_initial(c: char) -> Option<u8> {
    let place = INITIALS.iter().position(|initial| *initial == c)?;
    u8::try_from(place).ok()?.checked_add(1)
}

/// Whether `typed` stands for `c`: itself, or a syllable that begins with it.
pub(super) fn stands_for(typed: char, c: char) -> bool {
    typed == c || written_initial(typed).is_some_and(|place| initial(c) == Some(place))
}

const SYLLABLE_FIRST: u32 = 0xAC00;
const SYLLABLE_LAST: u32 = 0xD7A3;
const SYLLABLES_PER_INITIAL: u32 = 21 * 28;

const INITIALS: [char; 19] = [
    'ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ',
    'ㅌ', 'ㅍ', 'ㅎ',
];

#[cfg(test)]
mod tests {
    use super::{initial, stands_for, written_initial};

    #[test]
    fn initial_of_a_syllable_is_the_consonant_it_begins_with() {
        for (syllable, consonant) in [
            ('가', 'ㄱ'),
            ('깋', 'ㄱ'),
            ('까', 'ㄲ'),
            ('쌍', 'ㅆ'),
            ('힣', 'ㅎ'),
        ] {
            assert_eq!(initial(syllable), written_initial(consonant));
            assert!(initial(syllable).is_some() && stands_for(consonant, syllable));
        }
    }

    #[test]
    fn letters_that_begin_no_syllable_stand_for_themselves_only() {
        assert_eq!(initial('ㅏ'), None);
        assert_eq!(initial('ㄳ'), None);
        assert_eq!(initial('a'), None);
        assert!(stands_for('ㅏ', 'ㅏ') && !stands_for('ㅏ', '아') && !stands_for('가', '각'));
    }
}
