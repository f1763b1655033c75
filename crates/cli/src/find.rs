//! Groups, contacts and members by the name or id that a person typed.

use std::collections::BTreeMap;

use sori_client::{Client, ContactView, GroupInfo, GroupView, MemberView};

use crate::failure::Failure;
use crate::screen::Screen;
use crate::words::fill;

/// The group called `typed`.
pub(crate) async fn group(
    screen: Screen,
    client: &Client,
    typed: &str,
) -> Result<GroupView, Failure> {
    let groups = client.group_list().await?;
    one(screen, screen.words().thing_group, typed, groups, |group| {
        (&group.group, &group.name)
    })
}

/// The contact called `typed`.
pub(crate) async fn contact(
    screen: Screen,
    client: &Client,
    typed: &str,
) -> Result<ContactView, Failure> {
    let contacts = client.contact_list().await?;
    one(
        screen,
        screen.words().thing_contact,
        typed,
        contacts,
        |contact| (&contact.id, &contact.name),
    )
}

/// The member of a group called `typed`.
pub(crate) fn member(screen: Screen, group: GroupInfo, typed: &str) -> Result<MemberView, Failure> {
    one(
        screen,
        screen.words().thing_member,
        typed,
        group.members,
        |member| (&member.id, &member.name),
    )
}

/// The id and name of the contact, member of some group or hidden person called `typed`.
pub(crate) async fn person(
    screen: Screen,
    client: &Client,
    typed: &str,
) -> Result<(String, String), Failure> {
    let mut people = BTreeMap::new();
    for group in client.group_list().await? {
        let members = client.group_info(&group.group).await?.members.into_iter();
        let others = members.filter(|member| !member.me);
        people.extend(others.map(|member| (member.id, member.name)));
    }
    let hidden = client.blocked_list().await?.into_iter();
    people.extend(hidden.map(|person| (person.id, person.name)));
    let contacts = client.contact_list().await?.into_iter();
    people.extend(contacts.map(|contact| (contact.id, contact.name)));
    let people = people.into_iter().collect();
    one(
        screen,
        screen.words().thing_person,
        typed,
        people,
        |person: &(String, String)| (&person.0, &person.1),
    )
}

/// The one thing whose id is `typed`, or else the only one with that name.
fn one<T>(
    screen: Screen,
    kind: &str,
    typed: &str,
    things: Vec<T>,
    key: impl Fn(&T) -> (&String, &String),
) -> Result<T, Failure> {
    let typed = typed.trim();
    let (mut by_id, others): (Vec<T>, Vec<T>) =
        things.into_iter().partition(|thing| key(thing).0 == typed);
    if let Some(thing) = by_id.pop() {
        return Ok(thing);
    }
    let mut named: Vec<T> = others
        .into_iter()
        .filter(|thing| key(thing).1 == typed)
        .collect();
    let words = screen.words();
    let shown = crate::show::harmless(typed);
    match (named.pop(), named.is_empty()) {
        (None, _) => Err(Failure::Failed(fill(words.name_unknown, &[kind, &shown]))),
        (Some(thing), true) => Ok(thing),
        (Some(last), false) => {
            let ids: Vec<&str> = named
                .iter()
                .chain([&last])
                .map(|thing| key(thing).0.as_str())
                .collect();
            Err(Failure::Failed(fill(
                words.name_ambiguous,
                &[&ids.join(", "), &shown],
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Format;
    use crate::words::Language;

    fn find(typed: &str) -> Result<(String, String), Failure> {
        let thing = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        let things = vec![
            thing("1", "Friends"),
            thing("2", "친구"),
            thing("3", "Twin"),
            thing("4", "Twin"),
            thing("5", "1"),
        ];
        let screen = Screen {
            language: Language::English,
            format: Format::People,
        };
        one(screen, "group", typed, things, |thing| (&thing.0, &thing.1))
    }

    #[test]
    fn an_id_comes_before_a_name_and_a_name_has_to_be_unique() {
        assert_eq!(find("1").unwrap().1, "Friends");
        assert_eq!(find(" 친구 ").unwrap().0, "2");
        assert!(matches!(find("Twin"), Err(Failure::Failed(text)) if text.contains("3, 4")));
        assert!(matches!(find("nobody"), Err(Failure::Failed(text)) if text.contains("nobody")));
    }
}
