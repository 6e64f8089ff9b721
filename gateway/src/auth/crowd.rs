//! How many logins may be under way: each waits for the database and for a hash, and whoever sends thousands must not have thousands wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::throttle::network;

/// How many logins are let in at once. With four hashes of a few tens of milliseconds at a time, the last of them waits about a second.
const IN_ALL: usize = 64;
/// How many of them come from one address. They take turns in the count of its failures, each with a connection to the database in hand, so
/// this has to be well below the number of those.
const PER_ADDRESS: usize = 8;

/// Lets logins in.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a login is not let in. It is not counted as an attempt: nothing was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The address has as many under way as one may.
    Address,
    /// There are as many as the gateway takes.
    Gateway,
}

/// A login that is let in, until this is dropped.
#[derive(Debug)]
pub struct Place {
    address: IpAddr,
    inside: Arc<Mutex<Inside>>,
}

impl Crowd {
    /// A place for a login from this address.
    ///
    /// # Errors
    /// [`Full`] when there is none.
    pub fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let address = network(address);
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.by_address.get(&address) >= Some(&PER_ADDRESS) {
            return Err(Full::Address);
        }
        if inside.in_all >= IN_ALL {
            return Err(Full::Gateway);
        }
        inside.in_all += 1;
        *inside.by_address.entry(address).or_default() += 1;
        Ok(Place {
            address,
            inside: Arc::clone(&self.inside),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.in_all -= 1;
        if let Some(count) = inside.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let crowd = Crowd::default();
        let neighbour = |number: usize| format!("2001:db8::{number:x}").parse().unwrap();
        let elsewhere = |number: usize| format!("192.0.2.{number}").parse().unwrap();
        let mut places: Vec<_> = (0..PER_ADDRESS)
            .map(|number| crowd.enter(neighbour(number)).unwrap())
            .collect();
        assert_eq!(crowd.enter(neighbour(99)).unwrap_err(), Full::Address);
        for number in PER_ADDRESS..IN_ALL {
            places.push(crowd.enter(elsewhere(number)).unwrap());
        }
        assert_eq!(crowd.enter(elsewhere(1)).unwrap_err(), Full::Gateway);
        places.pop();
        places.push(crowd.enter(elsewhere(1)).unwrap());
        places.clear();
        assert!(crowd.inside.lock().unwrap().by_address.is_empty());
        assert!(crowd.enter(neighbour(1)).is_ok());
    }
}
