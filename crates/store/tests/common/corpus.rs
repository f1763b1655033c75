//! A made-up chat history: Korean and English with word frequencies after Zipf, the same from the same
//! seed. Words are put together from syllables, so nobody is quoted.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of this module"
)]

/// Deterministic numbers: splitmix64.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Picks 0 often, 1 half as often, 2 a third as often, ...
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=count)
            .map(|rank| {
                sum += 1.0 / (rank as f64).powf(exponent);
                sum
            })
            .collect();
        Self { cumulative }
    }

    fn pick(&self, numbers: &mut Numbers) -> usize {
        let all = self.cumulative.last().copied().unwrap_or(1.0);
        let at = numbers.unit() * all;
        self.cumulative
            .partition_point(|sum| *sum < at)
            .min(self.cumulative.len().saturating_sub(1))
    }
}

/// The generator. `vocabulary` counts the Korean and the English words.
pub struct Corpus {
    numbers: Numbers,
    korean: Vec<String>,
    english: Vec<String>,
    korean_rank: Zipf,
    english_rank: Zipf,
    recent: Vec<String>,
}

impl Corpus {
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let korean = vocabulary(COMMON_KOREAN, 40_000, || korean_word(&mut numbers));
        let english = vocabulary(COMMON_ENGLISH, 30_000, || english_word(&mut numbers));
        Self {
            korean_rank: Zipf::new(korean.len(), 1.0),
            english_rank: Zipf::new(english.len(), 1.0),
            numbers,
            korean,
            english,
            recent: Vec::new(),
        }
    }

    /// The Korean word (without a particle) of a rank, the most frequent first.
    pub fn korean(&self, rank: usize) -> &str {
        &self.korean[rank]
    }

    /// The English word of a rank.
    pub fn english(&self, rank: usize) -> &str {
        &self.english[rank]
    }

    /// The next message: about 70 bytes in the mean, two of three in Korean.
    pub fn message(&mut self) -> String {
        let kind = self.numbers.below(100);
        match kind {
            0..=5 => self.laughter(),
            6..=7 => self.emoji(),
            8..=9 => self.address(),
            10..=67 => self.sentence(true),
            _ => self.sentence(false),
        }
    }

    fn sentence(&mut self, korean: bool) -> String {
        let long = self.numbers.chance(8);
        let words = 2 + self.numbers.below(if long { 45 } else { 11 });
        let mut text = String::new();
        for at in 0..words {
            if at > 0 {
                text.push(' ');
            }
            // People come back to what they talk about.
            let word = if self.recent.len() > 20 && self.numbers.chance(15) {
                self.recent[self.numbers.below(self.recent.len())].clone()
            } else if korean != self.numbers.chance(6) {
                self.korean[self.korean_rank.pick(&mut self.numbers)].clone()
            } else {
                self.english[self.english_rank.pick(&mut self.numbers)].clone()
            };
            text.push_str(&word);
            if korean && self.numbers.chance(55) {
                text.push_str(PARTICLES[self.numbers.below(PARTICLES.len())]);
            }
            if self.recent.len() >= 60 {
                self.recent.remove(0);
            }
            self.recent.push(word);
        }
        text.push_str(ENDS[self.numbers.below(ENDS.len())]);
        text
    }

    fn laughter(&mut self) -> String {
        ["ㅋ", "ㅎ", "ㅠ", "ㅇ"][self.numbers.below(4)].repeat(2 + self.numbers.below(5))
    }

    fn emoji(&mut self) -> String {
        let first = 0x1F600 + self.numbers.below(64) as u32;
        let sign = char::from_u32(first).unwrap_or('🙂');
        sign.to_string().repeat(1 + self.numbers.below(3))
    }

    fn address(&mut self) -> String {
        let host = self.english[self.english_rank.pick(&mut self.numbers)].clone();
        let path = self.english[self.english_rank.pick(&mut self.numbers)].clone();
        format!(
            "https://{host}.example/{path}?id={}",
            self.numbers.below(1_000_000)
        )
    }
}

fn vocabulary(common: &[&str], count: usize, mut word: impl FnMut() -> String) -> Vec<String> {
    let mut words: Vec<String> = common.iter().map(|word| (*word).to_owned()).collect();
    while words.len() < count {
        words.push(word());
    }
    words
}

/// One to four syllables; some syllables are far more frequent than others.
fn korean_word(numbers: &mut Numbers) -> String {
    let len = [1, 2, 2, 2, 2, 3, 3, 3, 4][numbers.below(9)];
    (0..len).map(|_| syllable(numbers)).collect()
}

fn syllable(numbers: &mut Numbers) -> char {
    const INITIALS: [u32; 24] = [
        0, 0, 0, 2, 3, 3, 5, 6, 6, 7, 9, 9, 9, 11, 11, 11, 11, 12, 12, 14, 15, 16, 17, 18,
    ];
    const VOWELS: [u32; 20] = [
        0, 0, 0, 0, 1, 4, 4, 4, 5, 6, 8, 8, 8, 13, 13, 18, 18, 20, 20, 20,
    ];
    const FINALS: [u32; 20] = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 4, 4, 8, 8, 16, 17, 19, 21, 21,
    ];
    let initial = INITIALS[numbers.below(24)];
    let rare = numbers.chance(7);
    let (vowel, last) = if rare {
        (numbers.below(21) as u32, numbers.below(28) as u32)
    } else {
        (VOWELS[numbers.below(20)], FINALS[numbers.below(20)])
    };
    char::from_u32(0xAC00 + (initial * 21 + vowel) * 28 + last).unwrap_or('가')
}

fn english_word(numbers: &mut Numbers) -> String {
    const ONSETS: [&str; 24] = [
        "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr",
        "ch", "sh", "pr", "gr", "pl", "th", "qu",
    ];
    const VOWELS: [&str; 10] = ["a", "e", "e", "i", "i", "o", "o", "u", "ea", "ou"];
    const CODAS: [&str; 14] = [
        "", "", "", "n", "r", "s", "t", "l", "m", "d", "ng", "ck", "nt", "x",
    ];
    let mut word = String::new();
    for _ in 0..1 + numbers.below(4) {
        word.push_str(ONSETS[numbers.below(24)]);
        word.push_str(VOWELS[numbers.below(10)]);
        word.push_str(CODAS[numbers.below(14)]);
    }
    word
}

const COMMON_KOREAN: &[&str] = &[
    "오늘",
    "내일",
    "우리",
    "그거",
    "이거",
    "진짜",
    "지금",
    "회의",
    "사람",
    "시간",
    "생각",
    "다음",
    "점심",
    "저녁",
    "주말",
    "학교",
    "회사",
    "집",
    "일",
    "거",
    "수",
    "것",
    "나",
    "너",
    "왜",
    "뭐",
    "어디",
    "언제",
    "그냥",
    "정말",
    "괜찮아",
    "감사합니다",
    "안녕하세요",
    "알겠습니다",
    "네",
    "아니",
    "소리",
    "음악",
    "사진",
    "파일",
    "문서",
    "보고서",
    "계획",
    "여행",
    "날씨",
    "커피",
    "영화",
    "전화",
    "메시지",
    "약속",
];

const COMMON_ENGLISH: &[&str] = &[
    "the", "to", "and", "a", "of", "in", "is", "it", "you", "that", "for", "on", "we", "this",
    "be", "are", "with", "not", "have", "at", "can", "ok", "but", "if", "so", "do", "will",
    "meeting", "today", "tomorrow", "what", "when", "time", "think", "know", "see", "send", "file",
    "call", "lunch", "report", "project", "please", "thanks", "yes", "no", "maybe", "sound",
    "Monday", "Friday",
];

const PARTICLES: &[&str] = &[
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "에",
    "에서",
    "도",
    "로",
    "으로",
    "하고",
    "만",
    "요",
    "까지",
    "부터",
    "의",
    "했어",
    "합니다",
    "할까요",
    "인데",
    "이라서",
];

const ENDS: &[&str] = &["", "", "", ".", "!", "?", "...", " ㅋㅋ", "~", " 👍"];
