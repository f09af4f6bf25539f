//! How a server is found on the local network, by multicast DNS (RFC 6762) and DNS-SD (RFC 6763).

/// The service type of Footlight servers. Its port, in the SRV record, is that of pages and signaling.
pub const DNS_SD_SERVICE: &str = "_footlight._tcp.local.";

/// Key of the TXT record (RFC 6763 §6.4): the scheme at that port, `https` or `http`.
pub const TXT_SCHEME: &str = "scheme";

/// Key of the TXT record: the path under which the pages are.
pub const TXT_PATH: &str = "path";

/// The value of [`TXT_PATH`]: Footlight is served at the root of a host.
pub const ROOT_PATH: &str = "/";
