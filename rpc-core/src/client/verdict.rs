//! What the end of an attempt says of the server.

use crate::{Code, Delivery, Origin, Status};

/// What the end of an attempt says of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does its work, be it that the answer is an error.
    Answered,
    /// It would not take the call: it has too much to do, is about to leave, or lacks the method.
    Refused,
    /// It failed.
    Failed,
    /// The connection was lost: a failure, but one for all calls that were on it.
    Lost,
    /// There was no answer in time.
    Late,
    /// Nothing.
    Silent,
}

impl Verdict {
    /// The verdict on a failed attempt.
    ///
    /// A typed error is an answer. Codes with which handlers and frameworks say that they broke down are failures, also
    /// when it was a dependency's `Unavailable` that the handler passed on: whether this server is worse off than the
    /// others is found out by comparing.
    pub(crate) fn of(status: &Status) -> Self {
        if status.is_callers_own() {
            return Self::Silent;
        }
        match (status.delivery(), status.code(), status.origin()) {
            (Delivery::NeverSent, Code::Unavailable, _) | (Delivery::Unprocessed, ..) => Self::Refused,
            (Delivery::NeverSent, ..) => Self::Silent,
            _ if !status.details().is_empty() => Self::Answered,
            (_, Code::Unavailable, Origin::Local) => Self::Lost,
            (_, Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss, _) => Self::Failed,
            (_, Code::ResourceExhausted, Origin::Remote) => Self::Refused,
            (_, Code::DeadlineExceeded, _) => Self::Late,
            (_, Code::Cancelled, _) => Self::Silent,
            (.., Origin::Remote) => Self::Answered,
            (.., Origin::Local) => Self::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Detail;

    #[test]
    fn only_what_a_server_did_itself_counts() {
        let of = |code, delivery| Verdict::of(&Status::new(code, "").with_delivery(delivery).received_from_peer());
        assert_eq!(of(Code::Unavailable, Delivery::Unknown), Verdict::Failed);
        assert_eq!(of(Code::Internal, Delivery::Unknown), Verdict::Failed);
        assert_eq!(of(Code::NotFound, Delivery::Unknown), Verdict::Answered);
        assert_eq!(of(Code::InvalidArgument, Delivery::Unknown), Verdict::Answered);
        assert_eq!(of(Code::ResourceExhausted, Delivery::Unknown), Verdict::Refused);
        assert_eq!(of(Code::Unavailable, Delivery::Unprocessed), Verdict::Refused);
        assert_eq!(of(Code::Unimplemented, Delivery::Unprocessed), Verdict::Refused);
        assert_eq!(of(Code::DeadlineExceeded, Delivery::Unknown), Verdict::Late);

        let here = |code, delivery| Verdict::of(&Status::new(code, "").with_delivery(delivery));
        assert_eq!(here(Code::Unavailable, Delivery::Unknown), Verdict::Lost);
        assert_eq!(here(Code::Unavailable, Delivery::NeverSent), Verdict::Refused);
        assert_eq!(here(Code::ResourceExhausted, Delivery::NeverSent), Verdict::Silent, "too large for any server");
        assert_eq!(here(Code::ResourceExhausted, Delivery::Unknown), Verdict::Silent, "an answer over our own limit");

        assert_eq!(Verdict::of(&Status::internal("").of_caller()), Verdict::Silent, "its caller's stream failed");

        let typed = Status::internal("").received_from_peer();
        let typed = typed.with_detail(Detail { type_url: "t/orders.Broken".into(), value: Default::default() });
        assert_eq!(Verdict::of(&typed), Verdict::Answered);
    }
}
