use sori_engine::store::MemoryDisk;
use sori_engine::view::{FileState, FileView, MessageKind, NoticeView, ReactionView};

use super::*;
use crate::client::tests::{NO_RELAY, in_memory};

const HOSTILE: &str =
    "</p><script>alert(1)</script><img src=x onerror=\"a('b')\">\u{202e}\u{0}&amp;";

fn group() -> GroupView {
    GroupView {
        group: "g".into(),
        name: HOSTILE.into(),
        avatar: None,
        unread: 0,
        direct: false,
        members: 3,
        active: true,
        standing: "active".into(),
        muted: false,
        muted_until: None,
        named: false,
        own: false,
        last: None,
        arrangement: sori_engine::view::ArrangementView::default(),
    }
}

fn message(id: &str, text: &str) -> MessageView {
    MessageView {
        id: id.into(),
        sender: "s".into(),
        sender_name: HOSTILE.into(),
        mine: false,
        sent_at: 1_795_000_000_000,
        kind: MessageKind::Text,
        text: text.into(),
        state: "received".into(),
        copies: 2,
        members: 3,
        read: 0,
        hidden: false,
        edited: true,
        deleted: false,
        expires_at: None,
        in_reply_to: None,
        reactions: vec![ReactionView {
            emoji: HOSTILE.into(),
            senders: vec!["a".into()],
            mine: false,
        }],
        notice: None,
        file: None,
    }
}

fn notice(what: &str) -> MessageView {
    let mut line = message("n", "");
    line.kind = MessageKind::Notice;
    line.notice = Some(NoticeView {
        what: what.into(),
        actor: HOSTILE.into(),
        object: HOSTILE.into(),
        detail: HOSTILE.into(),
    });
    line
}

fn written(mut format: impl Format, lines: &[MessageView]) -> String {
    let mut out = Vec::new();
    format.begin(&mut out, &group()).unwrap();
    for line in lines {
        format.line(&mut out, line).unwrap();
    }
    format.end(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_others_wrote_is_text_and_nothing_else() {
    let mut answer = message("2", HOSTILE);
    answer.in_reply_to = Some("1".into());
    let mut lines = vec![message("1", HOSTILE), answer];
    lines.extend(["added", "role", "renamed", "something new"].map(notice));
    for language in [ExportLanguage::English, ExportLanguage::Korean] {
        let page = written(Html::new(language), &lines);
        let body = page.split_once("<main>").unwrap().1;
        for (position, _) in body.match_indices('<') {
            let tag: String = body
                .get(position + 1..)
                .unwrap()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
                .collect();
            assert!(
                [
                    "article",
                    "/article",
                    "strong",
                    "/strong",
                    "p",
                    "/p",
                    "footer",
                    "/footer",
                    "blockquote",
                    "/blockquote",
                    "h2",
                    "/h2",
                    "em",
                    "/em",
                    "/main",
                    "/html"
                ]
                .contains(&tag.as_str()),
                "{tag}"
            );
        }
        assert!(!page.contains("<script"));
        assert!(!page.contains("onerror=\""));
        assert!(!page.contains(['\u{202e}', '\u{0}']));
        assert!(page.contains("Content-Security-Policy"));
    }
}

#[test]
fn a_page_says_who_said_what_in_answer_to_what() {
    let mut mine = message("1", "안녕하세요");
    mine.mine = true;
    mine.copies = 1;
    let mut answer = message("2", "반갑습니다");
    answer.sender_name = "밥".into();
    answer.in_reply_to = Some("1".into());
    let mut gone = message("3", "");
    gone.deleted = true;
    let page = written(Html::new(ExportLanguage::Korean), &[mine, answer, gone]);
    for expected in [
        "<html lang=\"ko\">",
        "<strong>나</strong><p class=\"t\" dir=\"auto\">안녕하세요</p>",
        "이 기기에만 있음",
        "<strong>밥</strong><blockquote>나: 안녕하세요</blockquote>",
        "<em>삭제된 메시지입니다</em>",
        "수정됨",
        "2026년 11월",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
}

#[test]
fn a_page_names_files() {
    let mut with_file = message("1", "여기요");
    with_file.file = Some(Box::new(FileView {
        name: "<b>.png".into(),
        media_type: "image/png".into(),
        size: 7,
        have: 7,
        state: FileState::Here,
    }));
    let page = written(Html::new(ExportLanguage::Korean), &[with_file]);
    assert!(page.contains("여기요<br><em>파일: &lt;b&gt;.png(7바이트)</em>"));
}

#[test]
fn the_json_form_is_one_object_whatever_the_number_of_lines() {
    for lines in [
        vec![],
        vec![message("1", HOSTILE)],
        vec![message("1", "a"), notice("left")],
    ] {
        let text = written(Json::default(), &lines);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["format"], "sori-conversation");
        assert_eq!(value["name"], HOSTILE);
        let messages = value["messages"].as_array().unwrap();
        assert_eq!(messages.len(), lines.len());
        for (written, line) in messages.iter().zip(&lines) {
            assert_eq!(written["text"], line.text);
        }
    }
}

/// The names of the members of a JSON object.
fn members(value: &serde_json::Value) -> std::collections::BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_json_form_has_exactly_the_members_that_its_description_names() {
    let document = include_str!("../../../../docs/export.md");
    let (_, schema) = document.split_once("```json").unwrap();
    let (schema, _) = schema.split_once("```").unwrap();
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let text = written(Json::default(), &[notice("left")]);
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let line = &schema["$defs"]["message"];
    let [reaction, change] = [
        &line["properties"]["reactions"]["items"],
        &line["properties"]["notice"]["oneOf"][1],
    ];
    let message = &file["messages"][0];
    for (described, is) in [
        (&schema, &file),
        (line, message),
        (reaction, &message["reactions"][0]),
        (change, &message["notice"]),
    ] {
        assert_eq!(members(&described["properties"]), members(is));
        let required = described["required"].as_array().unwrap();
        let required = required.iter().map(|name| name.as_str().unwrap());
        assert_eq!(
            required.collect::<std::collections::BTreeSet<_>>(),
            members(is)
        );
    }
}

const OPTIONS: ExportOptions = ExportOptions {
    format: ExportFormat::Json,
    language: ExportLanguage::English,
    replace: false,
};

/// Somebody alone in a group.
async fn alone() -> (Client, String) {
    let client = in_memory(&MemoryDisk::new()).await;
    client.account_create("Alice").await.unwrap();
    client.relay_set(NO_RELAY).await.unwrap();
    let group = client.group_create("Friends").await.unwrap();
    (client, group)
}

async fn say(client: &Client, group: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let text = format!("line {number}");
        client.message_send(group, &text, None).await.unwrap();
    }
}

/// The texts in a file, without the notice at the beginning.
fn texts(file: &Path) -> Vec<String> {
    let bytes = std::fs::read(file).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let messages = value["messages"].as_array().unwrap();
    assert_eq!(messages[0]["kind"], "notice");
    let texts = messages.iter().skip(1).map(|message| &message["text"]);
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_conversation_of_several_pages_is_written_from_its_beginning_and_whole() {
    let (client, group) = alone().await;
    let said = PAGE_LEN + 50;
    say(&client, &group, 0..said).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("friends.json");
    let mut heard = Vec::new();
    let export = client.group_export(&group, &file, OPTIONS, |progress| heard.push(progress));
    assert_eq!(export.await.unwrap(), u64::from(said) + 1);
    let expected: Vec<_> = (0..said).map(|number| format!("line {number}")).collect();
    assert_eq!(texts(&file), expected);
    let all = u64::from(said) + 1;
    assert!(
        heard.contains(&ExportProgress {
            done: all,
            total: None
        }),
        "{heard:?}"
    );
    assert_eq!(
        heard.last(),
        Some(&ExportProgress {
            done: all,
            total: Some(all)
        })
    );

    let again = client.group_export(&group, &file, OPTIONS, |_| {}).await;
    assert_eq!(again.unwrap_err().name(), "file_exists");
    let elsewhere = dir.path().join("x");
    let unknown = client.group_export("AAAAAAAAAAAAAAAAAAAAAA", &elsewhere, OPTIONS, |_| {});
    assert_eq!(unknown.await.unwrap_err().name(), "not_found");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_arrives_between_counting_and_writing_tears_no_hole() {
    let (client, group) = alone().await;
    say(&client, &group, 0..50).await;
    let pages = client.pages(&group, &mut |_| {}).await.unwrap();
    say(&client, &group, 50..60 + PAGE_LEN).await;
    let mut lines = Vec::new();
    for range in pages.oldest_first() {
        lines.extend(client.lines(&group, range).await.unwrap().into_iter().rev());
    }
    let texts: Vec<_> = lines.iter().skip(1).map(|line| line.text.clone()).collect();
    let expected: Vec<_> = (0..60 + PAGE_LEN)
        .map(|number| format!("line {number}"))
        .collect();
    assert_eq!(texts, expected);
}
