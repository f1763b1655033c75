//! What the program says, in English and Korean: one table. Errors of the messenger are said in
//! Korean by their stable names; a name without an entry is said in English.

/// The language of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Korean,
}

impl Language {
    /// From the environment, as POSIX orders it: LC_ALL, LC_MESSAGES, LANG; the first that is set.
    pub(crate) fn from_environment() -> Self {
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let set = names
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        Self::from_locale(set.as_deref().unwrap_or_default())
    }

    fn from_locale(locale: &str) -> Self {
        let is_korean = locale == "ko" || locale.starts_with("ko_") || locale.starts_with("ko.");
        if is_korean {
            Self::Korean
        } else {
            Self::English
        }
    }

    /// Its table.
    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Korean => &KOREAN,
        }
    }

    /// What an error of the messenger says.
    pub(crate) fn error(self, error: &sori_client::Error) -> String {
        let korean = match self {
            Self::English => None,
            Self::Korean => find(KOREAN_ERRORS, error.name()),
        };
        korean.map_or_else(|| error.to_string(), str::to_owned)
    }

    /// Why there is no connection.
    pub(crate) fn trouble(self, trouble: sori_client::Trouble) -> String {
        let korean = match self {
            Self::English => None,
            Self::Korean => find(KOREAN_TROUBLES, trouble.name()),
        };
        korean.map_or_else(|| trouble.to_string(), str::to_owned)
    }
}

/// Puts `values` where `{0}`, `{1}` and so on stand.
pub(crate) fn fill(template: &str, values: &[&str]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (index, after) = after.split_once('}').unwrap_or((after, ""));
        let value = index
            .parse()
            .ok()
            .and_then(|index: usize| values.get(index).copied());
        text.push_str(value.unwrap_or_default());
        rest = after;
    }
    text.push_str(rest);
    text
}

macro_rules! words {
    ($($name:ident: $english:literal, $korean:literal;)*) => {
        /// Everything the program says. `{0}`, `{1}` are filled in.
        #[derive(Debug)]
        pub(crate) struct Words {
            $(pub(crate) $name: &'static str,)*
        }

        const ENGLISH: Words = Words { $($name: $english,)* };
        const KOREAN: Words = Words { $($name: $korean,)* };

        #[cfg(test)]
        const TABLE: &[(&str, &str)] = &[$(($english, $korean),)*];
    };
}

words! {
    error: "Error: {0}", "오류: {0}";
    passphrase: "Passphrase: ", "암호: ";
    passphrase_new: "Choose a passphrase: ", "새 암호: ";
    passphrase_again: "The same again: ", "한 번 더: ";
    passphrases_differ: "the two passphrases differ; try again", "두 암호가 서로 다릅니다. 다시 시도하세요";
    no_passphrase: "there is no terminal to ask for the passphrase; set SORI_PASSPHRASE",
        "암호를 물어볼 터미널이 없습니다. SORI_PASSPHRASE를 설정하세요";
    no_folder: "there is no home folder; say where the profile is with --profile",
        "홈 폴더가 없습니다. --profile로 프로필 위치를 지정하세요";
    no_profile: "there is no profile in {0}; make one with `sori init --name YOUR_NAME`",
        "{0}에 프로필이 없습니다. `sori init --name 이름`으로 만드세요";
    profile_there: "there is a profile with an account in {0} already; choose another folder with --profile",
        "{0}에 이미 계정이 있는 프로필이 있습니다. --profile로 다른 폴더를 고르세요";
    made: "Made the account {0} in {1}.", "{1}에 {0} 계정을 만들었습니다.";
    made_next: "Next: `sori group create NAME`, `sori invite`, or `sori join LINK`.",
        "다음: `sori group create 이름`, `sori invite`, `sori join 링크`.";
    made_no_relay: "It has no relay yet, and needs one before anything else: set it with `sori relay URL`, or follow an invite, which brings one.",
        "아직 릴레이가 없습니다. 먼저 `sori relay URL`로 정하세요. 초대 링크로 참여하면 함께 정해집니다.";
    relay_none: "This profile has no relay. Set one with `sori relay URL`.",
        "이 프로필에는 릴레이가 없습니다. `sori relay URL`로 정하세요.";
    relay_connected: "Connected to {0}", "{0}에 연결되어 있습니다";
    relay_offline: "Not connected to {0}: {1}", "{0}에 연결되지 않았습니다: {1}";
    relay_no_answer: "no answer yet", "아직 응답이 없습니다";
    invite_link: "Give this link to whom you invite, and to nobody else:",
        "초대할 사람에게만 이 링크를 보내세요:";
    invite_waiting: "Waiting for somebody to come. Ctrl-C ends waiting.",
        "참여할 사람을 기다립니다. Ctrl-C로 끝냅니다.";
    invite_no_wait: "Whoever uses it waits until Sori runs here and you answer: `sori joins`.",
        "링크를 쓴 사람은 여기서 소리가 실행되고 답할 때까지 기다립니다: `sori joins`.";
    approve_all_warning: "Warning: everybody who has this link gets in, without being looked at.",
        "주의: 이 링크를 가진 사람은 확인 없이 모두 들어옵니다.";
    asks: "{0} asks to come in. Code: {1}", "{0}님이 참여를 요청했습니다. 코드: {1}";
    asks_question: "Does {0} see the same code, and may they come in? [y/N] ",
        "{0}님에게도 같은 코드가 보이나요? 들어오게 할까요? [y/N] ";
    approved: "{0} is being let in.", "{0}님을 들어오게 합니다.";
    denied: "{0} was not let in.", "{0}님을 들어오지 못하게 했습니다.";
    is_in: "{0} is in.", "{0}님이 들어왔습니다.";
    not_in_yet: "{0} has been approved and comes in when both of you are online.",
        "{0}님을 승인했습니다. 두 사람이 모두 온라인일 때 들어옵니다.";
    join_knocking: "Nobody who can answer is online yet. Waiting. Ctrl-C ends waiting; the request stays open.",
        "답할 사람이 아직 온라인이 아닙니다. 기다립니다. Ctrl-C로 그만 기다려도 요청은 남습니다.";
    join_offline: "Not connected to the relay: {0}.", "릴레이에 연결되지 않았습니다: {0}.";
    join_code: "Your code: {0}. {1} sees the same one; compare it with them.",
        "코드: {0}. {1}님에게도 같은 코드가 보입니다. 서로 비교하세요.";
    join_approved: "Approved. Coming in.", "승인되었습니다. 들어가는 중입니다.";
    join_done: "You are in.", "참여했습니다.";
    join_denied: "the person who invited you said no", "초대한 사람이 거절했습니다";
    join_expired: "the invite has expired or is used up; ask for a new one",
        "초대가 만료되었거나 이미 사용되었습니다. 새 초대를 받으세요";
    join_waiting_ended: "still waiting to be let in; the request goes on whenever Sori runs (see `sori joins`)",
        "아직 승인되지 않았습니다. 소리가 실행될 때마다 요청이 계속됩니다 (`sori joins` 참고)";
    joins_none: "Nobody waits.", "기다리는 사람이 없습니다.";
    join_incoming: "asks you", "나에게 요청";
    join_outgoing: "you ask", "내가 요청";
    somebody: "Somebody", "누군가";
    contacts_none: "You have met nobody yet. `sori invite` makes an invite.",
        "아직 만난 사람이 없습니다. `sori invite`로 초대하세요.";
    verified: "verified", "확인됨";
    not_verified: "not verified", "확인 안 됨";
    safety_number: "Safety number with {0}:", "{0}님과의 안전 번호:";
    safety_explain: "{0} sees the same digits if nobody stands in between. Compare them in person or on the telephone.",
        "중간에 아무도 없다면 {0}님에게도 같은 숫자가 보입니다. 만나서 또는 전화로 비교하세요.";
    safety_question: "Are they the same? [y/N] ", "모두 같은가요? [y/N] ";
    safety_verified: "{0} is verified.", "{0}님을 확인했습니다.";
    safety_not_verified: "{0} stays unverified.", "{0}님은 확인되지 않은 상태로 남습니다.";
    safety_already: "You have verified {0} before.", "{0}님은 이미 확인했습니다.";
    groups_none: "You are in no group yet. `sori group create NAME` makes one.",
        "아직 참여한 그룹이 없습니다. `sori group create 이름`으로 만드세요.";
    group_line: "{0}  (members: {1}, unread: {2})", "{0}  (구성원 {1}명, 안 읽음 {2})";
    group_line_rejoining: "{0}  (rejoining: what you write is kept until somebody else is online)",
        "{0}  (다시 들어가는 중입니다. 다른 멤버가 접속할 때까지 쓴 글을 보관합니다)";
    group_line_halted: "{0}  (halted: another copy of this profile is in use)",
        "{0}  (멈춤: 이 프로필의 다른 사본이 쓰이고 있습니다)";
    group_line_left: "{0}  (you are no longer in it)", "{0}  (더 이상 구성원이 아님)";
    group_made: "Made {0}.", "{0} 그룹을 만들었습니다.";
    group_added: "{0} has been added to {1}.", "{1}에 {0}님을 추가했습니다.";
    group_removed: "{0} has been removed from {1}.", "{1}에서 {0}님을 내보냈습니다.";
    group_renamed: "{0} is now called {1}.", "{0}의 이름을 {1}(으)로 바꿨습니다.";
    group_role: "{0} is now {1}.", "{0}님의 역할은 이제 {1}입니다.";
    group_left: "You have left {0}.", "{0}에서 나왔습니다.";
    group_policy_admins: "From now on the owner and admins of {0} let others in.", "이제 {0}에는 소유자와 관리자만 다른 사람을 들일 수 있습니다.";
    group_policy_members: "From now on every member of {0} may let others in.", "이제 {0}에는 모든 구성원이 다른 사람을 들일 수 있습니다.";
    group_timer: "What anybody writes in {0} from now on disappears after {1}.", "이제 {0}에 쓰는 메시지는 {1} 뒤에 사라집니다.";
    group_timer_never: "What is written in {0} from now on stays.", "이제 {0}에 쓰는 메시지는 사라지지 않습니다.";
    group_files: "Files in {0} may have up to {1} MiB from now on.", "이제 {0}에 {1} MiB까지의 파일을 보낼 수 있습니다.";
    group_files_none: "No files can be sent in {0} from now on.", "이제 {0}에 파일을 보낼 수 없습니다.";
    group_muted: "{0} is muted on this device.", "이 기기에서 {0}의 알림을 껐습니다.";
    group_muted_for: "{0} is muted on this device for {1}.", "이 기기에서 {0}의 알림을 {1} 동안 껐습니다.";
    group_unmuted: "{0} is heard again on this device.", "이 기기에서 {0}의 알림을 다시 켰습니다.";
    group_line_muted: "muted", "알림 끔";
    group_reads_on: "Members of {0} are told what you have read.", "{0}의 구성원에게 읽은 메시지를 알립니다.";
    group_reads_off: "Members of {0} are not told what you have read.", "{0}의 구성원에게 읽은 메시지를 알리지 않습니다.";
    group_reads_default: "What members of {0} are told about reading is as `sori settings` says.",
        "{0}의 읽음 알림은 `sori settings`에서 정한 대로 합니다.";
    policy_admins: "the owner and admins let others in", "소유자와 관리자가 다른 사람을 들입니다";
    policy_members: "every member may let others in", "모든 구성원이 다른 사람을 들일 수 있습니다";
    read_receipts_on: "Members are told which of their messages you have read.", "상대방에게 읽은 메시지를 알립니다.";
    read_receipts_off: "Members are not told what you have read.", "상대방에게 읽은 메시지를 알리지 않습니다.";
    typing_on: "Members are told that you are writing, and you of them, where a program shows it.", "메시지를 쓰는 중임을 서로 알립니다. 이를 보여 주는 프로그램에서만 알립니다.";
    typing_off: "Nobody is told that you are writing, nor you of others.", "메시지를 쓰는 중임을 서로 알리지 않습니다.";
    log_kept: "Sealed messages are kept for members who are away until everybody has them, at most {0} days.",
        "자리에 없는 구성원을 위해 봉인된 메시지를 모두가 받을 때까지, 길어도 {0}일 동안 보관합니다.";
    log_bounded: "Of sealed messages at most {0} MiB are kept for members who are away; the oldest days go first.",
        "자리에 없는 구성원을 위해 봉인된 메시지를 최대 {0} MiB까지 보관하고, 오래된 날짜부터 지웁니다.";
    blocked: "What {0} writes is hidden on this device. `sori block {0} --undo` shows it again.",
        "이 기기에서 {0}님이 쓴 글을 숨깁니다. `sori block {0} --undo`로 다시 볼 수 있습니다.";
    unblocked: "What {0} writes is shown again.", "{0}님이 쓴 글을 다시 보여 줍니다.";
    blocked_none: "Nobody is hidden.", "숨긴 사람이 없습니다.";
    blocked_line: "(hidden: you have blocked this person; `sori block NAME --undo` shows it)",
        "(숨김: 차단한 사람입니다. `sori block 이름 --undo`로 볼 수 있습니다)";
    blocked_mark: "blocked", "차단됨";
    copies_no_message: "you have sent no such message in this group", "이 그룹에서 보낸 그런 메시지가 없습니다";
    copies_have: "Have it: {0}", "받은 사람: {0}";
    copies_lack: "Do not have it yet: {0}", "아직 받지 못한 사람: {0}";
    copies_read: "read", "읽음";
    copies_all: "Everybody for whom it was written has it.", "받을 사람이 모두 받았습니다.";
    copies_wait: "They get it when they are online together with somebody who has it.",
        "가진 사람과 함께 온라인일 때 받습니다.";
    role_owner: "owner", "소유자";
    role_admin: "admin", "관리자";
    role_member: "member", "구성원";
    you: "you", "나";
    epoch: "epoch {0}, state {1}", "에포크 {0}, 상태 {1}";
    sent_to_the_other: "The other member has it.", "상대방이 받았습니다.";
    sent_to_all: "All {0} other members have it.", "다른 구성원 {0}명 모두가 받았습니다.";
    sent_to_some: "{0} of {1} other members have it; the others get it when they are online together with somebody who has it.",
        "다른 구성원 {1}명 중 {0}명이 받았습니다. 나머지는 가진 사람과 함께 온라인일 때 받습니다.";
    sent_to_none: "Stored on this device only: nobody else has taken it yet. It goes out when Sori runs here while another member is online.",
        "이 기기에만 저장되어 있습니다. 아직 아무도 받지 않았습니다. 다른 구성원이 온라인일 때 소리가 실행되면 전달됩니다.";
    sent_alone: "Stored. You are the only member of this group.", "저장했습니다. 이 그룹에는 나 혼자입니다.";
    name_unknown: "there is no {0} called {1} here", "{1}(이)라는 {0}이(가) 없습니다";
    name_ambiguous: "{1} is not unique; use the id: {0}", "{1}(이)라는 이름이 여럿입니다. id를 쓰세요: {0}";
    thing_group: "group", "그룹";
    thing_contact: "contact", "연락처";
    thing_member: "member", "구성원";
    thing_person: "contact or member", "연락처나 구성원";
    chat_hello: "{0} - /help for help, /quit to leave the chat", "{0} - 도움말 /help, 나가기 /quit";
    chat_help: "Write a line and press Enter to send it.\n  /members  who is in the group\n  /who      who is heard right now, and who has what\n  /invite   a link for one more person\n  /quit     end (so does Ctrl-D)\nA line that begins with // is sent with one slash.",
        "글을 쓰고 Enter를 누르면 보냅니다.\n  /members  그룹 구성원\n  /who      지금 연결된 구성원과 전달 상태\n  /invite   한 사람을 초대하는 링크\n  /quit     끝내기 (Ctrl-D도 같음)\n//로 시작하는 줄은 / 하나로 보냅니다.";
    chat_unknown: "There is no such command. /help lists what there is.", "그런 명령은 없습니다. /help를 보세요.";
    chat_alone: "Nobody else has this yet; it is kept on this device until somebody is online.",
        "아직 아무도 받지 않았습니다. 누군가 온라인이 될 때까지 이 기기에 보관합니다.";
    chat_who: "Others heard since this device connected: {0}. Messages only on this device: {1}.",
        "연결한 뒤 확인된 다른 구성원: {0}. 이 기기에만 있는 메시지: {1}.";
    chat_not_attached: "Not connected to the relay right now.", "지금은 릴레이에 연결되어 있지 않습니다.";
    chat_events_lost: "(more arrived than could be shown; /quit and `sori history` shows all)",
        "(표시하지 못한 메시지가 있습니다. `sori history`로 모두 볼 수 있습니다)";
    chat_deleted: "(deleted)", "(삭제됨)";
    chat_edited: "(edited)", "(수정됨)";
    chat_held: "(not sent to all: somebody has joined since; /resend {0} or /drop {1})",
        "(모두에게 보내지 않음: 그사이 들어온 사람이 있습니다. /resend {0} 또는 /drop {1})";
    chat_superseded: "(written before the group went another way)", "(그룹이 다른 쪽으로 이어지기 전에 쓴 메시지)";
    search_none: "Nothing found.", "찾은 메시지가 없습니다.";
    chat_unsupported: "(something this version cannot show)", "(이 버전에서 표시할 수 없는 내용)";
    stopped: "Sori has stopped working on this profile; start it again", "이 프로필에서 소리가 멈췄습니다. 다시 시작하세요";
    input_ended: "the input ended before an answer came", "답하기 전에 입력이 끝났습니다";
    json_needs_no_questions: "with --json nobody can be asked; add --no-wait or --approve-all",
        "--json에서는 물어볼 수 없습니다. --no-wait 또는 --approve-all을 쓰세요";
    export_found: "{0} lines found", "{0}줄을 찾았습니다";
    export_written: "{0} of {1} lines written", "{1}줄 가운데 {0}줄을 썼습니다";
    exported: "{0} lines written to {1}", "{1}에 {0}줄을 썼습니다";
    saved: "{1} bytes written to {0}", "{0}에 {1}바이트를 썼습니다";
    export_is_open: "This file is not sealed: whoever has it can read the whole conversation. Delete it when you no longer need it.",
        "이 파일은 잠겨 있지 않습니다. 파일을 가진 사람은 누구나 대화 전체를 읽을 수 있습니다. 필요 없어지면 지우세요.";
    backup_passphrase_new: "Passphrase for the backup: ", "백업에 쓸 암호: ";
    backup_passphrase: "Passphrase of the backup: ", "백업의 암호: ";
    backup_progress: "{0} of {1} messages written", "메시지 {1}개 가운데 {0}개를 썼습니다";
    backed_up: "The backup is in {0} ({1} KiB). Keep it and its passphrase apart; without the passphrase nobody can open it.",
        "{0}에 백업했습니다({1} KiB). 암호와 따로 보관하세요. 암호가 없으면 아무도 열 수 없습니다.";
    restore_reading: "{0} % of the backup read", "백업을 {0} % 읽었습니다";
    restore_sorting: "{0} of {1} messages are in their place", "메시지 {1}개 가운데 {0}개를 제자리에 넣었습니다";
    restored: "The profile is in {0}. Sori enters your groups again as soon as somebody is there. Do not use the profile that the backup was made of any more.",
        "{0}에 프로필을 복원했습니다. 다른 멤버가 접속하면 소리가 그룹에 다시 들어갑니다. 백업을 만든 예전 프로필은 더 이상 쓰지 마세요.";
    rewriting: "Writing the profile's files anew: {0} %", "프로필 파일을 새로 쓰는 중입니다: {0} %";
    rotated: "The master key was replaced.", "마스터 키를 바꿨습니다.";
    unlock_passphrase_set: "From now on the passphrase opens this profile. There is no way to recover a forgotten one.",
        "이제부터 이 암호로 프로필을 엽니다. 잊어버린 암호를 되찾을 방법은 없습니다.";
    unlock_keychain_set: "From now on this system's keychain opens the profile.",
        "이제부터 이 시스템의 키체인으로 프로필을 엽니다.";
    unlock_both_set: "From now on the profile opens with the passphrase and this system's keychain together. If one of them is lost, nothing opens it.",
        "이제부터 암호와 이 시스템의 키체인이 모두 있어야 프로필을 엽니다. 하나라도 잃으면 열 수 없습니다.";
    moved: "The profile is kept by {0} now.", "이제 {0}(으)로 프로필을 보관합니다.";
    repairing: "{0} records looked at", "기록 {0}개를 확인했습니다";
    repair_not_needed: "All {0} records of this profile are there and as they should be. Nothing was changed.",
        "이 프로필의 기록 {0}개가 모두 온전합니다. 바꾼 것은 없습니다.";
    repaired: "Repaired: {0} records were saved, {1} are known to be lost. When it is opened next, this device gives up the keys of its groups and rejoins them as soon as another member is online. Messages that are lost do not come back by themselves: ask the others to send them again.",
        "고쳤습니다. 기록 {0}개를 살렸고 {1}개는 잃은 것으로 확인했습니다. 다음에 열면 이 기기는 그룹의 키를 버리고, 다른 구성원이 온라인이 되면 그룹에 다시 들어갑니다. 잃은 메시지는 저절로 돌아오지 않으니 필요하면 다시 보내 달라고 하세요.";
    repaired_steps: "Of the last {0} steps nothing was found: what they wrote is missing, or as it was before.",
        "마지막 {0}단계는 흔적이 없습니다. 그때 쓴 것은 없거나 그 전 상태입니다.";
    repaired_aside: "The damaged profile is kept as it was, in {0}. It opens with the same secret: delete it when you no longer need it.",
        "손상된 프로필은 그대로 {0}에 두었습니다. 같은 암호로 열 수 있으니, 필요 없어지면 지우세요.";
    origin_older_copy: "This profile's folder is an older copy: somebody put it back, or a synchronisation did. So that nothing is encrypted with keys that were used already, this device rejoins its groups as soon as another member is online. Messages since the copy was made may be missing: ask the others to send them again. Do not use two copies of a profile.",
        "이 프로필 폴더는 예전 사본입니다. 누군가 되돌려 놓았거나 동기화 프로그램이 되돌린 것입니다. 이미 쓴 키로 다시 암호화하지 않도록, 다른 구성원이 온라인이 되면 이 기기가 그룹에 다시 들어갑니다. 사본을 만든 뒤의 메시지는 없을 수 있으니 필요하면 다시 보내 달라고 하세요. 한 프로필의 사본 두 개를 함께 쓰지 마세요.";
    origin_elsewhere: "This profile was not opened in this user account before: it was moved here or copied. So that nothing is encrypted with keys that were used elsewhere, this device rejoins its groups as soon as another member is online. What arrived at the other place since may be missing here. Do not use the other copy any more.",
        "이 사용자 계정에서 처음 여는 프로필입니다. 다른 곳에서 옮겨 왔거나 복사한 것입니다. 다른 곳에서 쓴 키로 다시 암호화하지 않도록, 다른 구성원이 온라인이 되면 이 기기가 그룹에 다시 들어갑니다. 그사이 다른 곳에서 받은 메시지는 여기에 없을 수 있습니다. 다른 사본은 더 이상 쓰지 마세요.";
    origin_repaired: "This profile was repaired. What its groups' keys were used for last is not known, so this device has given them up and rejoins its groups as soon as another member is online. You can read and write meanwhile; what you write goes out then.",
        "고친 프로필입니다. 그룹의 키를 마지막으로 어디에 썼는지 알 수 없어 이 기기의 키를 버렸고, 다른 구성원이 온라인이 되면 그룹에 다시 들어갑니다. 그동안에도 읽고 쓸 수 있으며, 쓴 것은 그때 전달됩니다.";
    info_backend: "Storage engine: {0}", "저장 엔진: {0}";
    info_size: "Size on the disk: {0} MiB", "디스크에서 차지하는 크기: {0} MiB";
    info_unlock: "Unlocked by: {0}", "잠금 해제: {0}";
    info_rotated: "Master key replaced: {0}", "마스터 키를 바꾼 때: {0}";
    info_keys_locked: "Keys kept out of swap: {0}", "키를 스왑에 쓰지 않음: {0}";
    info_copies_noticed: "Older copies are noticed: {0}", "예전 사본을 알아챔: {0}";
    unlocked_by_both: "passphrase and keychain together", "암호와 키체인 모두";
    unlocked_by_keychain: "keychain", "키체인";
    unlocked_by_passphrase: "passphrase", "암호";
    unknown: "not known", "알 수 없음";
    yes: "yes", "예";
    no: "no", "아니요";
    notice_created: "{0} made the group {1}", "{0}님이 {1} 그룹을 만들었습니다";
    notice_added: "{0} added {1}", "{0}님이 {1}님을 추가했습니다";
    notice_removed: "{0} removed {1}", "{0}님이 {1}님을 내보냈습니다";
    notice_left: "{0} left", "{0}님이 나갔습니다";
    notice_renamed: "{0} named the group {1}", "{0}님이 그룹 이름을 {1}(으)로 바꿨습니다";
    notice_role: "{0} made {1} {2}", "{0}님이 {1}님의 역할을 {2}(으)로 바꿨습니다";
    notice_joined: "{0} joined", "{0}님이 참여했습니다";
    notice_withdrawn: "a change by {0} could not be made: another one came first", "{0}님의 변경은 다른 변경이 먼저여서 적용되지 않았습니다";
    notice_lost: "this device has lost its keys for this group and is rejoining; messages are kept until somebody else is online",
        "이 기기에서 이 그룹의 열쇠를 잃어 다시 들어가는 중입니다. 다른 사람이 접속할 때까지 메시지를 보관합니다";
    notice_back: "back in; messages since {2} may be missing here: ask the others to send them again",
        "다시 들어왔습니다. {2} 이후의 메시지는 여기에 없을 수 있으니 필요하면 다시 보내 달라고 하세요";
    notice_rejoined: "{0}'s device had lost its keys and is back; the safety number is unchanged",
        "{0}님의 기기가 열쇠를 잃었다가 다시 들어왔습니다. 안전 번호는 그대로입니다";
    notice_added_meanwhile: "{1} joined in the meantime", "그사이 {1}님이 들어왔습니다";
    notice_gone_meanwhile: "{1} left in the meantime", "그사이 {1}님이 나갔습니다";
    notice_out_meanwhile: "this account was taken out of the group in the meantime; ask for an invite to come back",
        "그사이 이 그룹에서 빠졌습니다. 다시 들어오려면 초대를 받으세요";
    notice_held: "what you wrote in the meantime is not sent yet, because somebody joined; your next message sends it too",
        "그사이 새로 들어온 사람이 있어, 그동안 쓴 메시지는 아직 보내지 않았습니다. 다음 메시지를 보낼 때 함께 보냅니다";
    notice_elsewhere: "a copy of this profile was opened elsewhere and took this device's place; if that was not you, tell the others",
        "이 프로필의 사본이 다른 곳에서 열려 이 기기를 대신합니다. 직접 한 일이 아니라면 대화 상대에게 알리세요";
    notice_policy_admins: "{0} chose that the owner and admins let others in", "{0}님이 소유자와 관리자만 다른 사람을 들일 수 있게 했습니다";
    notice_policy_members: "{0} chose that every member may let others in", "{0}님이 모든 구성원이 다른 사람을 들일 수 있게 했습니다";
    notice_timer: "{0} chose that messages disappear after {2}", "{0}님이 메시지가 {2} 뒤에 사라지게 했습니다";
    notice_timer_never: "{0} chose that messages stay", "{0}님이 메시지가 사라지지 않게 했습니다";
    notice_avatar: "{0} gave the group a new picture", "{0}님이 그룹 사진을 바꿨습니다";
    notice_avatar_none: "{0} took the group's picture away", "{0}님이 그룹 사진을 없앴습니다";
    notice_files: "{0} chose that files may have up to {2}", "{0}님이 {2}까지의 파일만 보낼 수 있게 했습니다";
    notice_files_none: "{0} chose that no files can be sent", "{0}님이 파일을 보낼 수 없게 했습니다";
    notice_unreadable: "{0} sent something that cannot be read here ({2}): ask them to send it again; a newer version of Sori may be able to read it",
        "{0}님이 보낸 것 가운데 여기서 읽을 수 없는 것이 있습니다({2}건). 다시 보내 달라고 하거나 소리를 업데이트하세요";
    notice_undelivered: "{2} of your messages are no longer kept for {1}, who never came for them: send them again if they still matter",
        "{1}님이 가져가지 않은 내 메시지 {2}개를 더 이상 보관하지 않습니다. 아직 필요하면 다시 보내세요";
    notice_undelivered_several: "{2} of your messages are no longer kept for members who never came for them: send them again if they still matter",
        "받지 못한 구성원이 있는 내 메시지 {2}개를 더 이상 보관하지 않습니다. 아직 필요하면 다시 보내세요";
    notice_not_admitted: "{0} tried to add you to a group, and it did not work: ask {0} to try again, or for an invite",
        "{0}님이 그룹에 추가하려 했지만 되지 않았습니다. 다시 해 달라고 하거나 초대를 받으세요";
    notice_halted: "another copy of this profile is in use and has decided otherwise here, so this one says nothing more in this group. Stop using one of the two; then have an admin remove this account and let it in again",
        "이 프로필의 다른 사본이 쓰이고 있고 여기서 다르게 결정해, 이 기기는 이 그룹에서 더 이상 말하지 않습니다. 둘 중 하나를 그만 쓰고, 관리자에게 이 계정을 내보냈다가 다시 들여 달라고 하세요";
    notice_equivocated: "{1} has signed two things that exclude each other. Either {1} cheats, or somebody else uses a copy of that device. The proof is kept; ask {1}, and have an admin remove {1} if in doubt",
        "{1}님이 서로 어긋나는 두 가지에 서명했습니다. 속이고 있거나, 누군가 그 기기의 사본을 쓰고 있습니다. 증거를 보관했습니다. 직접 물어보고, 의심스러우면 관리자에게 내보내 달라고 하세요";
    notice_other: "the group changed", "그룹이 바뀌었습니다";
}

/// Korean sentences for the errors a person is likely to meet.
const KOREAN_ERRORS: &[(&str, &str)] = &[
    ("account_exists", "이 프로필에는 이미 계정이 있습니다"),
    ("already_member", "이미 그룹의 구성원입니다"),
    (
        "disk_full",
        "디스크가 가득 찼습니다. 공간을 비우고 다시 여세요. 저장된 것은 그대로입니다",
    ),
    (
        "empty_passphrase",
        "암호가 비어 있습니다. 아무도 짐작할 수 없는 암호를 고르세요",
    ),
    (
        "file",
        "파일을 쓸 수 없습니다. 폴더를 확인하거나 다른 곳을 고르세요",
    ),
    (
        "file_exists",
        "같은 이름의 파일이 이미 있습니다. 다른 이름을 고르거나 --force를 쓰세요",
    ),
    (
        "invalid_invite",
        "소리 초대 링크가 아닙니다. sori:invite#으로 시작하는 링크 전체를 복사하세요",
    ),
    (
        "invalid_relay",
        "릴레이 주소가 아닙니다. relay://호스트:포트/#키 형식입니다",
    ),
    (
        "invite_expired",
        "초대가 만료되었습니다. 새 초대를 받으세요",
    ),
    ("join_closed", "더 이상 답할 수 없는 요청입니다"),
    (
        "keychain_no_entry",
        "시스템 키체인에 이 프로필의 키가 없습니다. 프로필을 만든 사용자로 로그인하세요",
    ),
    (
        "keychain_unavailable",
        "시스템 키체인을 쓸 수 없습니다. 잠금을 풀거나 암호를 쓰세요",
    ),
    (
        "no_account",
        "이 프로필에는 아직 계정이 없습니다. 먼저 `sori init --name 이름`을 실행하세요",
    ),
    (
        "no_key_package",
        "두 사람이 한 번 더 함께 온라인이 되어야 추가할 수 있습니다. 대신 초대를 보내세요",
    ),
    (
        "no_profile",
        "이 폴더에 프로필이 없습니다. 만들거나 다른 폴더를 고르세요",
    ),
    (
        "no_relay",
        "이 프로필에는 아직 릴레이가 없습니다. `sori relay URL`로 정하세요",
    ),
    ("not_allowed", "이 그룹에서의 역할로는 할 수 없습니다"),
    ("not_found", "이 프로필에서 찾을 수 없습니다"),
    ("not_member", "더 이상 이 그룹의 구성원이 아닙니다"),
    ("not_sender", "보낸 사람만 바꿀 수 있습니다"),
    (
        "halted",
        "이 프로필의 다른 사본이 이 그룹에서 쓰였습니다. 둘 중 하나를 그만 쓰고, 관리자에게 이 계정을 내보냈다가 다시 들여 달라고 하세요",
    ),
    (
        "rejoining",
        "이 그룹의 열쇠를 다시 받는 중입니다. 다른 사람이 접속하면 이어집니다",
    ),
    (
        "owner_cannot_leave",
        "다른 사람이 남아 있으면 소유자는 나갈 수 없습니다. 먼저 소유자를 넘기세요",
    ),
    (
        "own_invite",
        "이 프로필에서 만든 초대입니다. 다른 사람에게 주세요",
    ),
    (
        "profile_damaged",
        "프로필 파일이 손상되었습니다. 아무것도 바꾸지 않았습니다. 폴더를 복사해 두고 디스크를 확인한 뒤 `sori profile repair`로 읽을 수 있는 것을 살리거나 백업에서 되돌리세요",
    ),
    (
        "backup_damaged",
        "백업 파일이 손상되었습니다. 다른 복사본을 쓰세요",
    ),
    (
        "backup_newer",
        "더 새로운 소리로 만든 백업입니다. 소리를 업데이트한 뒤 다시 시도하세요",
    ),
    (
        "backup_passphrase",
        "이 백업의 암호가 아닙니다. 다시 시도하세요",
    ),
    (
        "backup_truncated",
        "백업 파일의 끝이 없습니다. 다른 복사본을 쓰세요",
    ),
    (
        "not_a_backup",
        "소리 백업 파일이 아닙니다. 다른 파일을 고르세요",
    ),
    ("profile_exists", "이 폴더에 이미 프로필이 있습니다"),
    (
        "profile_in_use",
        "다른 창이나 프로그램에서 이 프로필을 쓰고 있습니다. 먼저 닫으세요",
    ),
    (
        "profile_newer",
        "더 새로운 소리로 만든 프로필입니다. 소리를 업데이트하세요",
    ),
    (
        "read_only",
        "프로필 폴더에 쓸 수 없습니다. 권한을 확인하세요",
    ),
    (
        "no_room",
        "파일을 새로 쓸 디스크 공간이 모자랍니다. 공간을 비우고 다시 시도하세요. 바뀐 것은 없습니다",
    ),
    (
        "wrong_key",
        "시스템 키체인의 키가 이 프로필의 것이 아닙니다. 프로필을 만든 사용자로 로그인했는지 확인하세요",
    ),
    (
        "wrong_passphrase",
        "암호가 틀렸습니다. 다시 시도하세요. 바뀐 것은 없습니다",
    ),
];

/// Korean sentences for what keeps a relay away.
const KOREAN_TROUBLES: &[(&str, &str)] = &[
    ("closed", "릴레이가 연결을 닫았습니다"),
    (
        "lookup",
        "릴레이 이름을 찾을 수 없습니다. 네트워크와 철자를 확인하세요",
    ),
    ("machine", "지금 이 컴퓨터에서 연결을 열 수 없습니다"),
    (
        "no_access",
        "초대받은 사람만 쓰는 릴레이이고, 주소의 접근 키를 받지 않습니다. 운영자에게 새 주소나 초대를 받으세요",
    ),
    (
        "protocol",
        "릴레이 주소에서 응답한 것이 이 버전의 소리와 맞지 않습니다",
    ),
    ("unreachable", "릴레이 주소에서 아무 응답이 없습니다"),
    (
        "wrong_key",
        "릴레이 주소와 다른 키로 응답이 왔습니다. 누군가 중간에 있거나 릴레이의 키가 바뀌었습니다. 운영자에게 확인하세요",
    ),
];

fn find(sentences: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let entry = sentences.iter().find(|(entry, _sentence)| *entry == name);
    entry.map(|(_name, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_choose_the_language() {
        for korean in ["ko", "ko_KR", "ko_KR.UTF-8", "ko.UTF-8"] {
            assert_eq!(Language::from_locale(korean), Language::Korean);
        }
        for other in ["", "C", "C.UTF-8", "en_US.UTF-8", "kok_IN"] {
            assert_eq!(Language::from_locale(other), Language::English);
        }
    }

    #[test]
    fn both_languages_fill_in_the_same_places() {
        for (english, korean) in TABLE {
            for place in ["{0}", "{1}", "{2}"] {
                assert_eq!(english.contains(place), korean.contains(place), "{english}");
            }
        }
    }

    #[test]
    fn every_trouble_is_said_in_both_languages_and_named_as_programs_read_it() {
        use sori_client::Trouble;
        for trouble in [
            Trouble::Closed,
            Trouble::Lookup,
            Trouble::Machine,
            Trouble::NoAccess,
            Trouble::Protocol,
            Trouble::Unreachable,
            Trouble::WrongKey,
        ] {
            assert!(find(KOREAN_TROUBLES, trouble.name()).is_some(), "{trouble}");
            assert_eq!(Language::English.trouble(trouble), trouble.to_string());
            assert_eq!(serde_json::to_value(trouble).unwrap(), trouble.name());
        }
    }

    #[test]
    fn values_are_filled_in_and_not_looked_into() {
        assert_eq!(fill("{1} and {0}", &["{1}", "b"]), "b and {1}");
        assert_eq!(fill("nothing", &["x"]), "nothing");
        assert_eq!(fill("{7}", &["x"]), "");
    }
}
