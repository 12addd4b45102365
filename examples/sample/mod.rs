//! What the vendor's sample application needs on Agent Identity: what it is, what of it is there, what is left to do, and doing it.
//! `prepare` and `clear` are this.

mod apply;
mod arguments;
mod compare;
mod desired;
mod documents;
mod found;
mod place;
mod plan;
mod registered;
mod run;
mod secret;
mod step;

pub use self::{
    arguments::{OF_CLEAR, OF_PREPARE},
    desired::{APPLICATION_MARK, Client, MARK, Machine, Names, Sample},
    found::Found,
    place::{Place, management_at},
    plan::Plan,
    run::{Consent, Goal, exports, leftovers, reach, say},
    step::{Action, Change, Step, Thing},
};
