//! What the page says of itself, in both languages.

use super::ExportLanguage;

/// The words of one language; `{0}`, `{1}`, `{2}` are filled in with actor, object and detail.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) language: &'static str,
    pub(super) title: &'static str,
    pub(super) warning: &'static str,
    pub(super) me: &'static str,
    pub(super) somebody: &'static str,
    pub(super) deleted: &'static str,
    pub(super) hidden: &'static str,
    pub(super) edited: &'static str,
    pub(super) unsupported: &'static str,
    /// {0}: its name; {1}: bytes.
    pub(super) file: &'static str,
    pub(super) answers: &'static str,
    pub(super) only_here: &'static str,
    notices: &'static [(&'static str, &'static str)],
    changed: &'static str,
    roles: [(&'static str, &'static str); 5],
}

impl Words {
    pub(super) const fn of(language: ExportLanguage) -> &'static Self {
        match language {
            ExportLanguage::English => &ENGLISH,
            ExportLanguage::Korean => &KOREAN,
        }
    }

    /// The sentence for a notice, and its places for actor, object and detail.
    pub(super) fn notice(&self, what: &str) -> &'static str {
        let found = self.notices.iter().find(|(name, _)| *name == what);
        found.map_or(self.changed, |(_, sentence)| sentence)
    }

    pub(super) fn role<'a>(&self, role: &'a str) -> &'a str {
        let found = self.roles.iter().find(|(name, _)| *name == role);
        found.map_or(role, |(_, word)| word)
    }
}

const ENGLISH: Words = Words {
    language: "en",
    title: "Conversation: {0}",
    warning: "This file is not sealed: whoever has it can read it. Exported by Sori on {0}.",
    me: "Me",
    somebody: "Somebody",
    deleted: "Deleted",
    hidden: "Hidden, because its sender was blocked",
    edited: "edited",
    unsupported: "Something that this version cannot show",
    file: "File: {0} ({1} bytes)",
    answers: "In answer to",
    only_here: "only on this device",
    notices: &[
        ("added", "{0} added {1}"),
        ("added_meanwhile", "{1} joined in the meantime"),
        (
            "back",
            "This device is back in the group; messages from before may be missing here",
        ),
        ("created", "{0} made the group {1}"),
        (
            "elsewhere",
            "A copy of this profile was opened elsewhere and took this device's place",
        ),
        ("gone_meanwhile", "{1} left in the meantime"),
        (
            "held",
            "What was written in the meantime waited for a decision, because somebody had joined",
        ),
        ("joined", "{0} joined"),
        ("left", "{0} left"),
        ("lost", "This device lost its keys for the group"),
        (
            "out_meanwhile",
            "This account was taken out of the group in the meantime",
        ),
        (
            "rejoined",
            "{0}'s device had lost its keys and is back; the safety number is unchanged",
        ),
        (
            "equivocated",
            "{1} signed two things that exclude each other; the proof was kept",
        ),
        (
            "halted",
            "Another copy of this profile was in use, so this one said nothing more here",
        ),
        (
            "not_admitted",
            "{0} tried to add this account to a group, and it did not work",
        ),
        ("policy", "{0} chose who may let others in: {2}"),
        (
            "timer",
            "{0} changed after how many seconds messages disappear: {2}",
        ),
        (
            "file_limit",
            "{0} changed how many bytes a file may have: {2}",
        ),
        ("avatar", "{0} changed the group's picture"),
        ("removed", "{0} removed {1}"),
        ("renamed", "{0} named the group {1}"),
        ("role", "{0} made {1} {2}"),
        (
            "undelivered",
            "{2} own messages were no longer kept for members who had not fetched them",
        ),
        (
            "unreadable",
            "{0} sent something that could not be read here ({2})",
        ),
        (
            "withdrawn",
            "A change by {0} could not be made: another one came first",
        ),
    ],
    changed: "The group changed",
    roles: [
        ("owner", "owner"),
        ("admin", "admin"),
        ("member", "member"),
        ("admins", "the owner and admins"),
        ("members", "every member"),
    ],
};

const KOREAN: Words = Words {
    language: "ko",
    title: "대화: {0}",
    warning: "이 파일은 잠겨 있지 않습니다. 파일을 가진 사람은 누구나 읽을 수 있습니다. 소리에서 {0}에 내보냈습니다.",
    me: "나",
    somebody: "누군가",
    deleted: "삭제된 메시지입니다",
    hidden: "차단한 사람의 메시지라 숨겼습니다",
    edited: "수정됨",
    unsupported: "이 버전에서 표시할 수 없는 내용입니다",
    file: "파일: {0}({1}바이트)",
    answers: "답장 대상",
    only_here: "이 기기에만 있음",
    notices: &[
        ("added", "{0}님이 {1}님을 추가했습니다"),
        ("added_meanwhile", "그사이 {1}님이 들어왔습니다"),
        (
            "back",
            "이 기기가 그룹에 다시 들어왔습니다. 그 전의 메시지는 여기에 없을 수 있습니다",
        ),
        ("created", "{0}님이 {1} 그룹을 만들었습니다"),
        (
            "elsewhere",
            "이 프로필의 사본이 다른 곳에서 열려 이 기기를 대신했습니다",
        ),
        ("gone_meanwhile", "그사이 {1}님이 나갔습니다"),
        (
            "held",
            "그사이 들어온 사람이 있어, 그동안 쓴 메시지는 바로 보내지 않았습니다",
        ),
        ("joined", "{0}님이 참여했습니다"),
        ("left", "{0}님이 나갔습니다"),
        ("lost", "이 기기가 그룹의 열쇠를 잃었습니다"),
        ("out_meanwhile", "그사이 이 계정이 그룹에서 빠졌습니다"),
        (
            "rejoined",
            "{0}님의 기기가 열쇠를 잃었다가 다시 들어왔습니다. 안전 번호는 그대로입니다",
        ),
        (
            "equivocated",
            "{1}님이 서로 어긋나는 두 가지에 서명했습니다. 증거를 보관했습니다",
        ),
        (
            "halted",
            "이 프로필의 다른 사본이 쓰여, 이 기기는 여기서 더 이상 말하지 않았습니다",
        ),
        (
            "not_admitted",
            "{0}님이 이 계정을 그룹에 추가하려 했지만 되지 않았습니다",
        ),
        (
            "policy",
            "{0}님이 다른 사람을 들일 수 있는 사람을 바꿨습니다: {2}",
        ),
        (
            "timer",
            "{0}님이 메시지가 몇 초 뒤에 사라지는지 바꿨습니다: {2}",
        ),
        (
            "file_limit",
            "{0}님이 파일의 최대 바이트 수를 바꿨습니다: {2}",
        ),
        ("avatar", "{0}님이 그룹 사진을 바꿨습니다"),
        ("removed", "{0}님이 {1}님을 내보냈습니다"),
        ("renamed", "{0}님이 그룹 이름을 {1}(으)로 바꿨습니다"),
        ("role", "{0}님이 {1}님의 역할을 {2}(으)로 바꿨습니다"),
        (
            "undelivered",
            "받지 못한 구성원이 있는 내 메시지 {2}개를 더 이상 보관하지 않게 되었습니다",
        ),
        (
            "unreadable",
            "{0}님이 보낸 것 가운데 여기서 읽을 수 없는 것이 있습니다({2}건)",
        ),
        (
            "withdrawn",
            "{0}님의 변경은 다른 변경이 먼저여서 적용되지 않았습니다",
        ),
    ],
    changed: "그룹이 바뀌었습니다",
    roles: [
        ("owner", "소유자"),
        ("admin", "관리자"),
        ("member", "구성원"),
        ("admins", "소유자와 관리자"),
        ("members", "모든 구성원"),
    ],
};
