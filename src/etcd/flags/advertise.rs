//! Where a member that listens everywhere is found (`embed.Config.UpdateDefaultClusterFromName`).

use super::{
    parse::Values,
    table,
    url::{Url, split_host_port},
};

/// The advertised URLs with what each of them follows.
const PAIRS: [(&str, &str); 2] = [
    ("initial-advertise-peer-urls", "listen-peer-urls"),
    ("advertise-client-urls", "listen-client-urls"),
];

impl Values {
    /// Puts the machine's own host into advertised URLs that are the default ones, where
    /// the member listens on 0.0.0.0; whether there was one.
    ///
    /// # Errors
    /// The host makes no URL.
    pub fn advertise(&mut self, host: &str) -> Result<bool, String> {
        let mut used = false;
        for (advertised, listened) in PAIRS {
            let Some(flag) = table::find(advertised) else {
                continue;
            };
            let first: Option<Url> = self.urls(listened).into_iter().next();
            let Some(listen) = first.filter(|url| url.hostname() == "0.0.0.0") else {
                continue;
            };
            if self.text(advertised) != flag.default {
                continue;
            }
            // A client URL that nobody gave is refused later, as it should be.
            if advertised == "advertise-client-urls" && !self.is_set(advertised) {
                continue;
            }
            let port = split_host_port(&listen.host).map_or("", |(_, port)| port);
            let host = match host.contains(':') {
                true => format!("[{host}]"),
                false => host.to_owned(),
            };
            self.set(flag, &format!("http://{host}:{port}"))?;
            used = true;
        }
        Ok(used)
    }
}
