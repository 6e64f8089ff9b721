//! Slows down whoever guesses passwords, on all gateways together.
//!
//! Failures are counted for each pair of account and address, so that nobody can lock somebody else out; for each address, so that
//! one address cannot try every account; and for each account, so that many addresses cannot try one account for ever. The last
//! count spares addresses from which the account has logged in before: its owner is not locked out by the guesses of others.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool};

use crate::database::login_attempts::{self, Count, Settlement};

/// Failures of one account from one address that are free.
const FREE_PER_PAIR: i32 = 5;
/// Failures of one address, over all accounts, that are free.
const FREE_PER_ADDRESS: i32 = 50;
/// Failures of one account, from all addresses, that are free.
const FREE_PER_ACCOUNT: i32 = 100;
/// The longest wait of an address.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The longest wait of an account, which may hit its owner at a new address.
const LONGEST_WAIT_OF_ACCOUNT: Duration = Duration::from_secs(30);

/// A login that is being tried.
pub struct Attempt {
    pair: [u8; 32],
    address: [u8; 32],
    account: [u8; 32],
    familiar: [u8; 32],
}

impl Attempt {
    /// A login of this account from this address.
    #[must_use]
    pub fn new(account: &str, address: IpAddr) -> Self {
        let account = account.to_lowercase();
        let address = network(address).to_string();
        let key = |kind: &str, parts: [&str; 2]| {
            let mut hash = Sha256::new();
            for part in [kind, parts[0], parts[1]] {
                // With its length, so that no two lists of parts look the same.
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
            hash.finalize().into()
        };
        Self {
            pair: key("pair", [&account, &address]),
            address: key("address", [&address, ""]),
            account: key("account", [&account, ""]),
            familiar: key("familiar", [&account, &address]),
        }
    }

    /// Counts the attempt as failed before it is made, so that many at once cannot slip through. Answers how long to wait, when there were
    /// too many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(&self, pool: &PgPool) -> Result<Option<Duration>, sqlx::Error> {
        let mut counts = vec![
            Count {
                key: self.pair,
                free: FREE_PER_PAIR,
                longest_wait: LONGEST_WAIT,
            },
            Count {
                key: self.address,
                free: FREE_PER_ADDRESS,
                longest_wait: LONGEST_WAIT,
            },
        ];
        if !login_attempts::is_remembered(pool, &self.familiar).await? {
            counts.push(Count {
                key: self.account,
                free: FREE_PER_ACCOUNT,
                longest_wait: LONGEST_WAIT_OF_ACCOUNT,
            });
        }
        // Every attempt locks its counts in the order of their keys, so that no two wait for each other.
        counts.sort_unstable_by_key(|count| count.key);
        login_attempts::begin(pool, &counts).await
    }

    /// The attempt was good after all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn succeeded(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut settlements = [
            (self.pair, Settlement::Forgive),
            (self.address, Settlement::GiveBack),
            (self.account, Settlement::GiveBack),
            (self.familiar, Settlement::Remember),
        ];
        // In the order of the keys, as above.
        settlements.sort_unstable_by_key(|(key, _)| *key);
        login_attempts::settle(connection, &settlements).await
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_and_neighbours_are_one() {
        let pair =
            |account: &str, address: &str| Attempt::new(account, address.parse().unwrap()).pair;
        assert_eq!(pair("A@x", "192.0.2.1"), pair("a@X", "::ffff:192.0.2.1"));
        assert_eq!(pair("a@x", "2001:db8::1"), pair("a@x", "2001:db8::ffff:2"));
        assert_ne!(pair("a@x", "2001:db8::1"), pair("a@x", "2001:db8:0:1::1"));
        assert_ne!(pair("a@x", "192.0.2.1"), pair("a@x", "192.0.2.2"));
        let attempt = Attempt::new("a@x", "192.0.2.1".parse().unwrap());
        assert_ne!(attempt.pair, attempt.familiar);
    }
}
