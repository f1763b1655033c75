use std::fs;

use zeroize::Zeroizing;

use super::*;
use crate::client::tests::{NO_RELAY, in_memory};
use sori_engine::store::MemoryDisk;

const PASSPHRASE: &str = "소리 백업";

fn unlock() -> UnlockChoice {
    UnlockChoice::Passphrase(words("new"))
}

fn words(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.into())
}

async fn restored(file: &Path, passphrase: &str, dir: &Path) -> Result<(), Error> {
    let place = (dir.to_owned(), unlock());
    Client::restore(file.to_owned(), words(passphrase), place, |_| {}).await
}

/// A client with a group of one and some messages, and its group.
async fn somebody() -> (Client, String) {
    let client = in_memory(&MemoryDisk::new()).await;
    client.account_create("Alice").await.unwrap();
    client.relay_set(NO_RELAY).await.unwrap();
    let group = client.group_create("Notes").await.unwrap();
    for n in 0..300 {
        let text = format!("note {n}");
        client.message_send(&group, &text, None).await.unwrap();
    }
    (client, group)
}

#[tokio::test]
async fn a_profile_comes_back_from_its_backup_whatever_the_keyboard() {
    let dir = tempfile::tempdir().unwrap();
    let (file, place) = (dir.path().join("b"), dir.path().join("profiles/new"));
    let (client, group) = somebody().await;
    let before = client.message_list(&group, None, 400).await.unwrap();
    let mut last = None;
    let progress = |at| last = Some(at);
    let len = client.backup(&file, PASSPHRASE, false, progress).await;
    assert_eq!(len.unwrap(), fs::metadata(&file).unwrap().len());
    let last = last.unwrap();
    assert!(last.done == last.total && last.total >= 300, "{last:?}");
    client.shutdown().await;

    // The same passphrase, as another system types it.
    let decomposed =
        "\u{1109}\u{1169}\u{1105}\u{1175} \u{1107}\u{1162}\u{11a8}\u{110b}\u{1165}\u{11b8}";
    restored(&file, decomposed, &place).await.unwrap();
    let client = Client::open(place, unlock()).await.unwrap();
    assert_eq!(client.origin(), crate::Origin::Here);
    let after = client.message_list(&group, None, 400).await.unwrap();
    let texts = |list: &[crate::MessageView]| -> Vec<(String, String)> {
        let texts = list.iter().filter(|line| line.notice.is_none());
        texts
            .map(|line| (line.id.clone(), line.text.clone()))
            .collect()
    };
    assert_eq!(texts(&after), texts(&before));
    assert_eq!(client.account_info().await.unwrap().name, "Alice");
    // A group of one is founded anew at once, and goes on.
    client.message_send(&group, "on", None).await.unwrap();
    client.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_restored_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (file, place) = (dir.path().join("b"), dir.path().join("new"));
    let (client, _) = somebody().await;
    let backup = client.backup(&file, PASSPHRASE, false, |_| {}).await;
    backup.unwrap();
    let refused = client.backup(&file, PASSPHRASE, false, |_| {}).await;
    assert!(matches!(refused, Err(Error::Backup(BackupError::Exists))));
    let refused = client
        .backup(&dir.path().join("c"), "", false, |_| {})
        .await;
    assert!(matches!(refused, Err(Error::EmptyPassphrase)));
    client.shutdown().await;

    let whole = fs::read(&file).unwrap();
    let wrong = restored(&file, "other", &place).await;
    assert!(matches!(
        wrong,
        Err(Error::Backup(BackupError::WrongPassphrase))
    ));
    for len in [0, 50, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..len]).unwrap();
        let refused = restored(&file, PASSPHRASE, &place).await;
        assert!(matches!(refused, Err(Error::Backup(_))), "{len}");
    }
    let mut damaged = whole.clone();
    damaged[whole.len() - 100] ^= 1;
    fs::write(&file, damaged).unwrap();
    let refused = restored(&file, PASSPHRASE, &place).await;
    assert!(matches!(refused, Err(Error::Backup(_))));
    let missing = restored(&dir.path().join("none"), PASSPHRASE, &place).await;
    assert!(matches!(missing, Err(Error::Backup(_))));
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "the backup alone"
    );
}

#[tokio::test]
async fn nothing_is_put_where_something_is() {
    let dir = tempfile::tempdir().unwrap();
    let (file, place) = (dir.path().join("b"), dir.path().join("new"));
    let (client, _) = somebody().await;
    client
        .backup(&file, PASSPHRASE, false, |_| {})
        .await
        .unwrap();
    client.shutdown().await;
    fs::create_dir(&place).unwrap();
    fs::write(place.join("mine"), "x").unwrap();
    let refused = restored(&file, PASSPHRASE, &place).await;
    assert!(matches!(refused, Err(Error::Folder { .. })));
    fs::remove_file(place.join("mine")).unwrap();
    let building = dir.path().join("new.restoring");
    fs::create_dir_all(building.join("store")).unwrap();
    fs::write(building.join("mine"), "x").unwrap();
    let refused = restored(&file, PASSPHRASE, &place).await;
    assert!(matches!(refused, Err(Error::Folder { .. })));
    fs::remove_file(building.join("mine")).unwrap();
    restored(&file, PASSPHRASE, &place).await.unwrap();
    let refused = restored(&file, PASSPHRASE, &place).await;
    assert!(matches!(
        refused,
        Err(Error::Profile(StoreError::AlreadyExists))
    ));
}
