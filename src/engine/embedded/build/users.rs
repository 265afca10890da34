//! Names of users and groups, as the image's own files have them.

use crate::engine::embedded::view::View;

/// Files of users longer than this are none; arbitrary, thousands of times the usual.
const LONGEST: u64 = 16 << 20;

/// Who a command runs as, or owns a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::engine::embedded) struct Identity {
    pub(in crate::engine::embedded) uid: u32,
    pub(in crate::engine::embedded) gid: u32,
    /// The groups that the user is in besides.
    pub(in crate::engine::embedded) groups: Vec<u32>,
    /// Where the user is at home, as far as the image says.
    pub(in crate::engine::embedded) home: Option<String>,
}

/// The identity that `USER` means: `NAME|UID[:GROUP|GID]` (runc, `user.GetExecUser`). Where nobody is named it is root,
/// in none of root's further groups.
///
/// # Errors
/// When the image has no such user or group.
pub(in crate::engine::embedded) fn of_user(view: &View, text: &str) -> anyhow::Result<Identity> {
    let (user, group) = split(text);
    let is_named = !user.is_empty();
    let user = if is_named { user } else { "0" };
    let users = file(view, "etc/passwd")?;
    let by_name = users.iter().find(|fields| fields[0] == user && fields.len() > 3);
    let number = user.parse::<u32>().ok();
    let known = by_name.or_else(|| {
        users.iter().find(|fields| fields.len() > 3 && fields[2].parse() == Ok(number.unwrap_or(u32::MAX)))
    });
    let mut identity = match (known, number) {
        (Some(fields), _) => Identity {
            uid: fields[2].parse().map_err(|_| anyhow::anyhow!("`/etc/passwd` has no number for `{user}`"))?,
            gid: fields[3].parse().map_err(|_| anyhow::anyhow!("`/etc/passwd` has no group for `{user}`"))?,
            groups: Vec::new(),
            home: fields.get(5).filter(|home| !home.is_empty()).cloned(),
        },
        (None, Some(uid)) => Identity { uid, ..Identity::default() },
        (None, None) => anyhow::bail!("the image has no user `{user}`"),
    };
    if let Some(group) = group {
        identity.gid = group_id(view, group)?;
    } else if let Some(fields) = known.filter(|_| is_named) {
        let name = &fields[0];
        let members = file(view, "etc/group")?
            .into_iter()
            .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name)));
        identity.groups = members.filter_map(|fields| fields[2].parse().ok()).collect();
    }
    Ok(identity)
}

/// The owner that `--chown` means. Of a name alone the group is the user's own, of a number the same number (BuildKit,
/// `solver/llbsolver/file`, `readUser`).
///
/// # Errors
/// When the image has no such user or group.
pub(in crate::engine::embedded) fn of_owner(view: &View, text: &str) -> anyhow::Result<(u32, u32)> {
    let (user, group) = split(text);
    let (uid, own_gid) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) => {
            let users = file(view, "etc/passwd")?;
            let fields = users.iter().find(|fields| fields[0] == user);
            let number = |place: usize| fields.and_then(|fields| fields.get(place)?.parse().ok());
            let missing = || anyhow::anyhow!("the image has no user `{user}`");
            (number(2).ok_or_else(missing)?, number(3).ok_or_else(missing)?)
        }
    };
    Ok((uid, group.map_or(Ok(own_gid), |group| group_id(view, group))?))
}

fn group_id(view: &View, group: &str) -> anyhow::Result<u32> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    let groups = file(view, "etc/group")?;
    let found = groups.iter().find(|fields| fields[0] == group).and_then(|fields| fields.get(2)?.parse().ok());
    found.ok_or_else(|| anyhow::anyhow!("the image has no group `{group}`"))
}

fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group).filter(|group| !group.is_empty())))
}

/// The lines of a file of fields parted by colons; none where there is no such file.
fn file(view: &View, path: &str) -> std::io::Result<Vec<Vec<String>>> {
    let bytes = view.read_small(path, LONGEST)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>()).collect())
}
