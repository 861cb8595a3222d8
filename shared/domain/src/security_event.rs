//! What can happen to a user's access, as it is told to the user.

use crate::string_form::word_enum;

word_enum! {
    /// What happened.
    pub enum SecurityEventType ("unknown_event_type", "a type of security event such as login") {
        /// The user made the account, and was logged in.
        Register = "register",
        /// The user accepted an invitation, and was logged in.
        InvitationAccept = "invitation_accept",
        /// A login.
        Login = "login",
        /// A spent refresh token was used again: two hold it, and the session was ended.
        RefreshTokenReuse = "refresh_token_reuse",
        /// The session that asked was ended.
        Logout = "logout",
        /// All sessions were ended.
        LogoutAll = "logout_all",
        /// One session was ended from another.
        SessionEnd = "session_end",
        /// A change of the password; a failed one named another than the current password.
        PasswordChange = "password_change",
        /// A new password through the link of a mail.
        PasswordReset = "password_reset",
        /// A second factor or a passkey was set up or taken away, or recovery codes were made anew.
        FactorChange = "factor_change",
        /// The user made or revoked an API key.
        ApiKeyChange = "api_key_change",
        /// A proof of who one is; a failed one gave a wrong password or code.
        StepUp = "step_up",
        /// A change of the address, which both addresses confirmed; a failed one was asked for with a wrong
        /// password.
        EmailChange = "email_change",
        /// Another role, team or status.
        AccessChange = "access_change",
        /// The user was removed from the account, or left it.
        Removal = "removal",
        /// The user made, changed or deleted a role of the account's own.
        RoleChange = "role_change",
        /// The user began to export records. It is noted before any is read.
        Export = "export",
        /// The user tried what needs a permission that is lacking.
        PermissionDenied = "permission_denied",
    }
}

word_enum! {
    /// Whether it was done.
    pub enum SecurityEventOutcome ("unknown_outcome", "one of success, failure") {
        /// It was.
        Success = "success",
        /// It was refused.
        Failure = "failure",
    }
}

word_enum! {
    /// Who did it.
    pub enum ActorType ("unknown_actor_type", "one of user, anonymous") {
        /// A user of the account.
        User = "user",
        /// Somebody who did not prove to be anybody.
        Anonymous = "anonymous",
    }
}
