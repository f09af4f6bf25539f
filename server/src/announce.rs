//! What the server prints when it is ready, for the person in front of it.

use std::fmt::Write as _;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::Server;
use crate::config::TlsMode;
use crate::self_test::{Reach, Report};

/// Addresses to open, the ways that the self-test found to each address that viewers are told, certificate, media port, and who
/// may publish.
pub fn summary(server: &Server, tested: Option<&Report>) -> String {
    let mut text = String::from("Footlight is ready.\n\n");
    for (number, url) in server.urls().iter().enumerate() {
        line(&mut text, if number == 0 { "Open" } else { "" }, url);
    }
    line(
        &mut text,
        "Publish",
        &format!("footlight publish {}", server.urls().first().map_or("", |url| url)),
    );
    let media_port = server.media().port();
    let transports = if server.config().ice_tcp { "UDP and TCP" } else { "UDP" };
    line(&mut text, "Media", &format!("{transports} port {media_port}"));
    for (number, reached) in tested.map(reached).into_iter().flatten().enumerate() {
        line(&mut text, if number == 0 { "Reached" } else { "" }, &reached);
    }
    if let Some(fingerprint) = server.fingerprint() {
        if server.config().tls == TlsMode::SelfSigned {
            line(
                &mut text,
                "Certificate",
                "self-signed: a browser asks once whether to trust it. Its SHA-256 is",
            );
        } else {
            line(&mut text, "Certificate", "SHA-256");
        }
        line(&mut text, "", fingerprint);
    }
    line(&mut text, "Access", server.authority().summary());
    text
}

/// A line for each address; where there is none but those of the loopback interface, the ways that lead to it.
fn reached(report: &Report) -> Vec<String> {
    let addresses = report.by_address();
    if addresses.is_empty() {
        return vec![report.to_string()];
    }
    addresses.iter().map(|reach| format!("at {reach}")).collect()
}

/// For programs: each address that viewers are told, but those of the loopback interface, and in words by which ways it works
/// and by which it does not.
pub fn addresses(report: &Report) -> Vec<serde_json::Value> {
    let of = |reach: &Reach| {
        serde_json::json!({
            "address": reach.address,
            "works": reach.working(),
            "fails": reach.failing(),
        })
    };
    report.by_address().iter().map(of).collect()
}

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {label:<12}{value}");
}

/// The first address as a QR code, for phones on the same network. `None` where nothing but this machine reaches it.
pub fn qr_code(server: &Server) -> Option<String> {
    let url = server.urls().into_iter().next()?;
    let local =
        server.config().public_url.is_none() && server.addresses().iter().all(|address| address.ip().is_loopback());
    if local {
        return None;
    }
    let code = QrCode::new(&url).ok()?;
    // Light modules are drawn and dark ones left: terminals are dark, and a scanner wants dark on light.
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(format!("{picture}\n  {url}\n"))
}
