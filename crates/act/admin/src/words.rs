//! The words of the model as the API spells them, for labels and tables.

use haechi_model::{AdminState, Health};

/// `unknown`, `healthy`, `unhealthy`.
pub const fn health(health: Health) -> &'static str {
    health.name()
}

/// `enabled`, `draining`, `disabled`.
pub const fn admin(state: AdminState) -> &'static str {
    state.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_words_of_the_json() {
        for one in [Health::Unknown, Health::Healthy, Health::Unhealthy] {
            assert_eq!(serde_json::to_value(one).unwrap(), health(one));
        }
        for one in [AdminState::Enabled, AdminState::Draining, AdminState::Disabled] {
            assert_eq!(serde_json::to_value(one).unwrap(), admin(one));
        }
    }
}
