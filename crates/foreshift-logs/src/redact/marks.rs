//! What secrets begin with, and the names of the fields that hold them.

use super::fields::Field;
use super::tokens::Of;

/// What a beginning or a name means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// The beginning of a key or token, in exactly this case, with at least so many bytes behind it.
    Token { least: usize, of: Of },
    /// A scheme of HTTP authentication: its credentials follow.
    Scheme,
    /// The beginning of a PEM block.
    Block,
    /// The end of a URL's scheme: a user and password may follow.
    Url,
    /// What stands before this, up to a blank, are user and password.
    Dsn,
    /// The name of a field that holds a secret.
    Field(Field),
    /// The name of a field that holds what a user asked a model, or its answer.
    Prompt,
}

const fn token(text: &'static str, least: usize) -> (&'static str, Mark) {
    (text, Mark::Token { least, of: Of::Word })
}

const fn base64(text: &'static str, least: usize) -> (&'static str, Mark) {
    (
        text,
        Mark::Token {
            least,
            of: Of::Base64,
        },
    )
}

const fn strong(text: &'static str) -> (&'static str, Mark) {
    (text, Mark::Field(Field::Strong))
}

const fn weak(text: &'static str) -> (&'static str, Mark) {
    (text, Mark::Field(Field::Weak))
}

const fn line(text: &'static str) -> (&'static str, Mark) {
    (text, Mark::Field(Field::Line))
}

const fn prompt(text: &'static str) -> (&'static str, Mark) {
    (text, Mark::Prompt)
}

/// Looked for in any case; of several at one place the longest counts.
pub(super) const MARKS: &[(&str, Mark)] = &[
    // Providers of models.
    token("sk-", 16),
    token("sk_", 20),
    token("AIza", 20),
    token("gsk_", 20),
    token("xai-", 20),
    token("pplx-", 20),
    token("nvapi-", 20),
    token("hf_", 16),
    token("r8_", 20),
    token("tvly-", 16),
    token("fw_", 20),
    // Clouds.
    token("AKIA", 12),
    token("ASIA", 12),
    token("AROA", 12),
    token("AIDA", 12),
    token("ABIA", 12),
    token("ACCA", 12),
    base64("ya29.", 16),
    token("GOCSPX-", 16),
    token("dop_v1_", 16),
    token("LTAI", 12),
    token("dapi", 24),
    // Where code lies and packages come from.
    token("ghp_", 16),
    token("gho_", 16),
    token("ghu_", 16),
    token("ghs_", 16),
    token("ghr_", 16),
    token("github_pat_", 16),
    token("glpat-", 12),
    token("gldt-", 12),
    token("glrt-", 12),
    token("npm_", 16),
    token("pypi-", 16),
    token("rubygems_", 16),
    token("ATATT", 16),
    token("lin_api_", 16),
    // Services.
    token("xoxa-", 10),
    token("xoxb-", 10),
    token("xoxe-", 10),
    token("xoxe.", 10),
    token("xoxp-", 10),
    token("xoxr-", 10),
    token("xoxs-", 10),
    token("xapp-", 10),
    base64("hooks.slack.com/", 12),
    base64("hooks.slack.com\\/", 12),
    base64("discord.com/api/webhooks/", 12),
    base64("discordapp.com/api/webhooks/", 12),
    token("SG.", 16),
    token("sk_live_", 8),
    token("sk_test_", 8),
    token("rk_live_", 8),
    token("rk_test_", 8),
    token("pk_live_", 8),
    token("whsec_", 12),
    token("shpat_", 16),
    token("shpss_", 16),
    token("sq0atp-", 12),
    token("sq0csp-", 12),
    token("key-", 24),
    token("PMAK-", 16),
    token("glsa_", 16),
    token("sntrys_", 16),
    token("hvs.", 16),
    token("hvb.", 16),
    token("AGE-SECRET-KEY-", 16),
    token("tskey-", 12),
    // JSON in base64: web tokens.
    base64("eyJ", 14),
    // Schemes, blocks, addresses.
    ("bearer", Mark::Scheme),
    ("basic", Mark::Scheme),
    ("negotiate", Mark::Scheme),
    ("ntlm", Mark::Scheme),
    ("-----BEGIN", Mark::Block),
    ("://", Mark::Url),
    (":\\/\\/", Mark::Url),
    ("@tcp(", Mark::Dsn),
    ("@unix(", Mark::Dsn),
    // Fields.
    strong("password"),
    strong("passwd"),
    strong("passwort"),
    strong("pwd"),
    strong("passphrase"),
    strong("requirepass"),
    strong("masterauth"),
    strong("identified by"),
    strong("secret"),
    strong("api_key"),
    strong("api-key"),
    strong("apikey"),
    strong("api key"),
    strong("access_key"),
    strong("access-key"),
    strong("accesskey"),
    strong("account_key"),
    strong("account-key"),
    strong("accountkey"),
    strong("app_key"),
    strong("app-key"),
    strong("appkey"),
    strong("auth_key"),
    strong("authkey"),
    strong("private_key"),
    strong("private-key"),
    strong("privatekey"),
    strong("private key"),
    strong("encryption_key"),
    strong("encryptionkey"),
    strong("signing_key"),
    strong("signingkey"),
    strong("license_key"),
    strong("licensekey"),
    strong("subscription-key"),
    strong("subscription_key"),
    strong("subscriptionkey"),
    strong("sharedaccesskey"),
    strong("shared_access_key"),
    strong("credential"),
    line("authorization"),
    line("cookie"),
    weak("token"),
    weak("pass"),
    weak("signature"),
    weak("sig"),
    weak("jwt"),
    weak("session"),
    weak("sessionid"),
    weak("session_id"),
    weak("sid"),
    weak("otp"),
    weak("cvv"),
    weak("cvc"),
    weak("ssn"),
    // Prompts.
    prompt("messages"),
    prompt("prompt"),
    prompt("prompts"),
    prompt("input"),
    prompt("inputs"),
    prompt("input_value"),
    prompt("input_text"),
    prompt("content"),
    prompt("contents"),
    prompt("text"),
    prompt("system"),
    prompt("system_instruction"),
    prompt("systeminstruction"),
    prompt("instructions"),
    prompt("query"),
    prompt("question"),
    prompt("completion"),
    prompt("output"),
    prompt("output_text"),
    prompt("arguments"),
    prompt("failed_generation"),
    prompt("revised_prompt"),
    prompt("documents"),
    prompt("parts"),
];
