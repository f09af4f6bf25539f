//! Reactions, gathered so that many of them do not push the chat off the screen.

use std::collections::BTreeMap;

use footlight_protocol::{Reaction, ServerEvent};

/// What came in since it was last told.
#[derive(Debug, Default)]
pub(super) struct Reactions {
    counts: BTreeMap<Reaction, u32>,
    /// Of the last one that had a name.
    from: Option<String>,
}

impl Reactions {
    /// Takes an event; `false` where it is none of these.
    pub(super) fn take(&mut self, event: &ServerEvent) -> bool {
        match event {
            ServerEvent::Reaction { username, reaction, .. } => {
                *self.counts.entry(*reaction).or_default() += 1;
                self.from = Some(username.clone());
            }
            ServerEvent::Reactions { counts } => {
                for (reaction, count) in counts {
                    let sum = self.counts.entry(*reaction).or_default();
                    *sum = sum.saturating_add(*count);
                }
            }
            _ => return false,
        }
        true
    }

    /// One line for all of them, and begins anew.
    pub(super) fn tell(&mut self) -> Option<String> {
        let Self { counts, from } = std::mem::take(self);
        let each: Vec<(Reaction, u32)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        match (each.as_slice(), from) {
            ([], _) => None,
            ([(reaction, 1)], Some(name)) => Some(format!("{name} {}", symbol(*reaction))),
            (each, _) => {
                let parts = each
                    .iter()
                    .map(|(reaction, count)| format!("{} × {count}", symbol(*reaction)));
                Some(parts.collect::<Vec<_>>().join("   "))
            }
        }
    }
}

fn symbol(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Heart => "❤️",
        Reaction::Fire => "🔥",
        Reaction::ThumbsUp => "👍",
        Reaction::Surprise => "😮",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, reaction: Reaction) -> ServerEvent {
        ServerEvent::Reaction {
            user_id: "u".parse().expect("an id"),
            username: name.to_owned(),
            reaction,
        }
    }

    #[test]
    fn one_has_a_name_and_many_have_a_number() {
        let mut reactions = Reactions::default();
        assert_eq!(reactions.tell(), None);
        assert!(reactions.take(&one("Ann", Reaction::Fire)));
        assert_eq!(reactions.tell().as_deref(), Some("Ann 🔥"));
        assert_eq!(reactions.tell(), None, "told once");
        reactions.take(&one("Ann", Reaction::Fire));
        reactions.take(&one("Ben", Reaction::Heart));
        reactions.take(&ServerEvent::Reactions {
            counts: BTreeMap::from([(Reaction::Fire, u32::MAX), (Reaction::Surprise, 0)]),
        });
        assert_eq!(reactions.tell().as_deref(), Some("❤️ × 1   🔥 × 4294967295"));
        assert!(!reactions.take(&ServerEvent::Pong));
    }
}
