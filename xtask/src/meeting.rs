//! How people get into one group, call by call: a group is made, the others join by invite, the inviter approves.

use serde_json::{Value, json};

use crate::error::Error;
use crate::rpc::Rpc;

/// What a joiner and the inviter saw of each other.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The short authentication string as the inviter saw it.
    pub(crate) inviter_code: String,
    /// The same as the joiner saw it.
    pub(crate) joiner_code: String,
}

/// Makes the account and tells the profile its relay.
pub(crate) async fn introduce(person: &mut Rpc, name: &str, relay: &str) -> Result<(), Error> {
    person
        .call("account.create", json!({ "name": name }))
        .await?;
    person.call("relay.set", json!({ "url": relay })).await?;
    Ok(())
}

/// Makes a group and returns its id.
pub(crate) async fn create_group(person: &mut Rpc, name: &str) -> Result<String, Error> {
    let answer = person.call("group.create", json!({ "name": name })).await?;
    text(&answer, "group")
}

/// Lets `joiner`, who calls themselves `name`, join `group` by an invite of `inviter`, who approves it.
pub(crate) async fn join(
    inviter: &mut Rpc,
    joiner: &mut Rpc,
    name: &str,
    group: &str,
) -> Result<Joined, Error> {
    let answer = inviter
        .call("invite.create", json!({ "group": group }))
        .await?;
    let url = text(&answer, "url")?;
    let answer = joiner.call("invite.accept", json!({ "url": url })).await?;
    let outgoing = text(&answer, "id")?;

    let (incoming, inviter_code) = inviter
        .until(
            &format!("a knock by {name}"),
            ("join.list", json!({})),
            |answer| knock(answer, |join| join["name"] == name),
        )
        .await?;
    let (_, joiner_code) = joiner
        .until("the code to compare", ("join.list", json!({})), |answer| {
            knock(answer, |join| join["id"] == outgoing.as_str())
        })
        .await?;
    inviter
        .call("join.approve", json!({ "id": incoming }))
        .await?;
    joiner
        .until(
            &format!("{name} is in the group"),
            ("group.list", json!({})),
            |answer| {
                list(answer, "groups")
                    .any(|item| item["group"] == group)
                    .then_some(())
            },
        )
        .await?;
    Ok(Joined {
        inviter_code,
        joiner_code,
    })
}

/// The items of the list `name` in an answer.
pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    answer[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

/// The text `name` in an answer.
pub(crate) fn text(answer: &Value, name: &str) -> Result<String, Error> {
    answer[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::DidNotHold(format!("the answer has a text called {name}")))
}

/// Id and code of the first join that is `meant`, once it has a code.
fn knock(answer: &Value, meant: impl Fn(&Value) -> bool) -> Option<(String, String)> {
    let join = list(answer, "joins").find(|join| meant(join))?;
    let code = join["code"].as_str().filter(|code| !code.is_empty())?;
    Some((join["id"].as_str()?.to_owned(), code.to_owned()))
}
