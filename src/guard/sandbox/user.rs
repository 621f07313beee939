//! As whom a child runs: ids, or names as `/etc/passwd` and `/etc/group` have them.
//!
//! Users of a directory service are named by their ids: looking them up takes code of the machine's own in this process.

use std::{fmt, fs, str::FromStr};

use serde::{Deserialize, Serialize};

/// A user and a group, as the operator wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    user: String,
    group: Option<String>,
}

/// Who that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The only group.
    pub gid: u32,
}

/// Why a user cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserFault {
    /// It is neither `user`, `user:group` nor numbers.
    #[error("write USER, UID, USER:GROUP or UID:GID")]
    Form,
    /// No such user on this machine.
    #[error("there is no user `{0}` in /etc/passwd")]
    NoUser(String),
    /// No such group on this machine.
    #[error("there is no group `{0}` in /etc/group")]
    NoGroup(String),
    /// A number without a group that is nobody's in `/etc/passwd`.
    #[error("user {0} is not in /etc/passwd: write its group as well, as in {0}:{0}")]
    WhichGroup(u32),
}

impl FromStr for User {
    type Err = UserFault;

    fn from_str(text: &str) -> Result<Self, UserFault> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
        };
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        if !is_name(user) || !group.is_none_or(is_name) {
            return Err(UserFault::Form);
        }
        Ok(Self { user: user.to_owned(), group: group.map(str::to_owned) })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => f.write_str(&self.user),
        }
    }
}

impl User {
    /// Who that is on this machine.
    ///
    /// # Errors
    /// [`UserFault`]: nobody.
    pub fn ids(&self) -> Result<Ids, UserFault> {
        let (passwd, groups) = (fs::read_to_string("/etc/passwd"), fs::read_to_string("/etc/group"));
        self.ids_in(&passwd.unwrap_or_default(), &groups.unwrap_or_default())
    }

    fn ids_in(&self, passwd: &str, groups: &str) -> Result<Ids, UserFault> {
        let (uid, own_group) = match self.user.parse() {
            Ok(uid) => (uid, passwd.lines().find_map(|line| (field(line, 2)? == uid).then(|| field(line, 3))?)),
            Err(_) => {
                let line = passwd.lines().find(|line| is_named(line, &self.user));
                let line = line.ok_or_else(|| UserFault::NoUser(self.user.clone()))?;
                let uid = field(line, 2).ok_or_else(|| UserFault::NoUser(self.user.clone()))?;
                (uid, field(line, 3))
            }
        };
        let gid = match &self.group {
            Some(group) => group
                .parse()
                .ok()
                .or_else(|| groups.lines().find(|line| is_named(line, group)).and_then(|line| field(line, 2))),
            None => Some(own_group.ok_or(UserFault::WhichGroup(uid))?),
        };
        let gid = gid.ok_or_else(|| UserFault::NoGroup(self.group.clone().unwrap_or_default()))?;
        Ok(Ids { uid, gid })
    }
}

fn is_named(line: &str, name: &str) -> bool {
    line.split(':').next() == Some(name)
}

/// A number in a line of passwd(5) or group(5).
fn field(line: &str, place: usize) -> Option<u32> {
    line.split(':').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nmcp:x:990:985::/srv:/bin/false\n";
    const GROUPS: &str = "root:x:0:\nmcp:x:985:\ndocs:x:700:mcp\n";

    fn ids(text: &str) -> Result<(u32, u32), UserFault> {
        text.parse::<User>()?.ids_in(PASSWD, GROUPS).map(|ids| (ids.uid, ids.gid))
    }

    #[test]
    fn a_name_has_the_group_of_its_account_unless_another_is_named() {
        assert_eq!(ids("mcp"), Ok((990, 985)));
        assert_eq!(ids("mcp:docs"), Ok((990, 700)));
        assert_eq!(ids("990"), Ok((990, 985)));
        assert_eq!(ids("4000:4001"), Ok((4000, 4001)));
    }

    #[test]
    fn who_is_not_there_is_not_guessed() {
        assert_eq!(ids("mpc"), Err(UserFault::NoUser("mpc".into())));
        assert_eq!(ids("mcp:dosc"), Err(UserFault::NoGroup("dosc".into())));
        assert_eq!(ids("4000"), Err(UserFault::WhichGroup(4000)));
        for bad in ["", ":", "a:b:c", "a b", "mcp:"] {
            assert_eq!(ids(bad), Err(UserFault::Form), "{bad}");
        }
    }
}
