//! How Redis is reached, where several settings may name one.

use crate::check::Check;

/// What a setting says about a Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisAt {
    /// It names one at `rediss://`.
    Tls,
    /// It names one without TLS.
    Plain,
    /// It names something else, or nothing.
    Nowhere,
    /// It is wrong, which was told already.
    Unknown,
}

impl RedisAt {
    /// What an address of Redis says.
    #[must_use]
    pub fn address(address: &str) -> Self {
        if address.trim().starts_with("rediss://") {
            Self::Tls
        } else {
            Self::Plain
        }
    }
}

impl Check<'_> {
    /// Refuses `redis_password` and `redis_ca_file` where they would be for nothing: most likely the address is wrong then. Authorities
    /// need TLS at every Redis that the `stores`, settings by name, speak of: without it nothing would be checked, and nobody would know.
    pub fn redis(&mut self, stores: &[(&str, RedisAt)]) {
        if self.is_set("redis_ca_file") {
            for (id, at) in stores {
                if *at == RedisAt::Plain {
                    let (file, name) = (self.name("redis_ca_file"), self.name(id));
                    self.refuse(format!(
                        "{file} is set, but {name} names a Redis without TLS, and nothing would be checked: write rediss://, or leave {file} out"
                    ));
                }
            }
        }
        if stores.iter().any(|(_, at)| *at != RedisAt::Nowhere) {
            return;
        }
        let names: Vec<String> = stores.iter().map(|(id, _)| self.name(id)).collect();
        let names = names.join(" or ");
        for id in ["redis_password", "redis_ca_file"] {
            if self.is_set(id) {
                let name = self.name(id);
                self.refuse(format!(
                    "{name} is set, but no Redis is: write its address into {names}"
                ));
            }
        }
    }
}
