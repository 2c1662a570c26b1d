//! Planted secrets: made up, of the shapes that real ones have, in lines as systems print them.
//!
//! They are put together at run time from their parts, so that no scanner takes this file for a leak.

/// One planted secret.
#[derive(Clone, Debug)]
pub struct Planted {
    /// What it is.
    pub shape: &'static str,
    /// What must be found nowhere.
    pub needle: String,
    /// The line that holds it.
    pub line: String,
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const UPPER_DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const WORD: &str = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Letters drawn from a fixed sequence.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn text(&mut self, letters: &str, length: usize) -> String {
        let letters = letters.as_bytes();
        (0..length)
            .map(|_| char::from(letters[(self.next() % letters.len() as u64) as usize]))
            .collect()
    }

    /// A token with letters of both cases and digits, as random ones of its length have.
    fn token(&mut self, length: usize) -> String {
        let mixed = |text: &str| {
            text.bytes().filter(u8::is_ascii_digit).count() >= 2
                && text.bytes().any(|byte| byte.is_ascii_lowercase())
                && text.bytes().any(|byte| byte.is_ascii_uppercase())
        };
        loop {
            let text = self.text(WORD, length);
            if mixed(&text) {
                return text;
            }
        }
    }

    fn card(&mut self, start: &str, length: usize) -> String {
        let mut digits = start.to_owned() + &self.text(DIGITS, length - start.len() - 1);
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| match (place % 2, u32::from(digit - b'0')) {
                (0, digit) if digit > 4 => 2 * digit - 9,
                (0, digit) => 2 * digit,
                (_, digit) => digit,
            })
            .sum();
        digits.push(char::from(b'0' + ((10 - sum % 10) % 10) as u8));
        digits
    }
}

/// Lines that a key or token of any kind is printed in.
const CARRIERS: [&str; 8] = [
    "upstream rejected key {}",
    "GET /v1/items?key={}&page=2 HTTP/1.1 401",
    "{\"msg\":\"call failed\",\"error\":\"unauthorized: {}\"}",
    "level=error msg=\"call failed\" key=\"{}\" status=401",
    "panic: cannot log in with '{}'",
    "config: [{}] is not accepted.",
    "{\"error\":\"{\\\"detail\\\":\\\"{}\\\"}\"}",
    "Incorrect API key provided: {}. You can find your API key in the dashboard.",
];

/// Lines that a password is printed in: it has no shape of its own, its place gives it away.
const PASSWORDS: [&str; 12] = [
    "connect failed: host=db user=app password={} dbname=main",
    "{\"msg\":\"login failed\",\"user\":\"app\",\"password\":\"{}\"}",
    "running: mysqldump --password {} --all-databases",
    "cannot parse DATABASE_PASSWORD={}",
    "POST /login?user=app&password={}&next=%2F 500",
    "config: {user: app, client_secret: '{}', retries: 3}",
    "<request><password>{}</password></request> refused",
    "Server=db;User Id=app;Pwd={};Encrypt=true",
    "CREATE USER app IDENTIFIED BY '{}'",
    "env SMTP_PASSWORD=\"{}\" is set twice",
    "{\"detail\":\"{\\\"user\\\":\\\"app\\\",\\\"password\\\":\\\"{}\\\"}\"}",
    "headers: [('x-api-key', '{}'), ('accept', '*/*')]",
];

/// Lines that hold what a user asked a model.
const PROMPTS: [&str; 8] = [
    "400 {\"error\":{\"message\":\"bad request\",\"type\":\"invalid_request_error\"},\"messages\":[{\"role\":\"user\",\"content\":\"{}\"}]}",
    "Error code: 400 - {'error': {'message': 'too long'}, 'prompt': 'it says {} here'}",
    "request was {\"model\":\"m\",\"input\":\"{}\",\"stream\":true}",
    "body: {\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"say {} to \\\\\\\"them\\\\\\\"\\\"}]}",
    "1 validation error: input_value={'messages': [{'role': 'user', 'content': '{}'}]}, input_type=dict",
    "refused {\"contents\":[{\"parts\":[{\"text\":\"{}\"}]}]}",
    "moderation flagged prompt: please explain {} to me",
    "cut off {\"messages\":[{\"role\":\"user\",\"content\":\"{} and then",
];

/// All of them: more than two hundred, of more than thirty shapes, the same on every call.
pub fn planted() -> Vec<Planted> {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let mut all = tokens(&mut draw);
    for carrier in PASSWORDS {
        all.push(plant("password", draw.token(11), carrier));
        all.push(plant("password in letters", draw.text(LOWER, 10), carrier));
    }
    for carrier in PROMPTS {
        let word = draw.text(LOWER, 14);
        all.push(plant("prompt", word, carrier));
    }
    all.extend(in_places(&mut draw));
    all
}

fn plant(shape: &'static str, needle: String, carrier: &str) -> Planted {
    Planted {
        shape,
        line: carrier.replace("{}", &needle),
        needle,
    }
}

/// Keys and tokens that begin alike.
fn tokens(draw: &mut Draw) -> Vec<Planted> {
    let shapes: [(&'static str, [&str; 2], usize); 24] = [
        ("openai", ["sk", "-"], 48),
        ("openai project", ["sk-pr", "oj-"], 56),
        ("anthropic", ["sk-a", "nt-api03-"], 60),
        ("google api key", ["AI", "za"], 35),
        ("groq", ["gs", "k_"], 52),
        ("hugging face", ["h", "f_"], 34),
        ("xai", ["xa", "i-"], 60),
        ("github personal", ["gh", "p_"], 36),
        ("github app", ["gh", "o_"], 36),
        ("github fine-grained", ["github", "_pat_"], 60),
        ("gitlab", ["gl", "pat-"], 20),
        ("npm", ["np", "m_"], 36),
        ("pypi", ["py", "pi-"], 60),
        ("slack bot", ["xo", "xb-"], 40),
        ("slack user", ["xo", "xp-"], 40),
        ("sendgrid", ["S", "G."], 60),
        ("stripe secret", ["sk_", "live_"], 24),
        ("stripe restricted", ["rk_", "live_"], 24),
        ("vault", ["hv", "s."], 24),
        ("digitalocean", ["dop", "_v1_"], 64),
        ("google oauth", ["ya", "29."], 60),
        ("shopify", ["shp", "at_"], 32),
        ("google client secret", ["GOC", "SPX-"], 28),
        ("without a known beginning", ["", ""], 40),
    ];
    let mut all = Vec::new();
    for (number, (shape, start, length)) in shapes.into_iter().enumerate() {
        for turn in 0..5 {
            let needle = draw.token(length);
            let whole = format!("{}{needle}", start.concat());
            let carrier = CARRIERS[(number + turn) % CARRIERS.len()];
            all.push(Planted {
                shape,
                line: carrier.replace("{}", &whole),
                needle,
            });
        }
    }
    for (turn, carrier) in CARRIERS.into_iter().enumerate() {
        let id = draw.text(UPPER_DIGITS, 16);
        let start = if turn % 2 == 0 { "AK" } else { "AS" };
        let whole = format!("{start}IA{id}");
        all.push(Planted {
            shape: "aws key id",
            line: carrier.replace("{}", &whole),
            needle: id,
        });
    }
    all
}

/// Secrets that their surroundings give away, addresses and numbers of people.
fn in_places(draw: &mut Draw) -> Vec<Planted> {
    let mut all = Vec::new();
    for _ in 0..4 {
        let (a, b) = (draw.token(40), draw.token(27));
        all.push(plant("bearer", a, "> Authorization: Bearer {}\nHTTP 401"));
        all.push(plant(
            "bearer",
            draw.token(22),
            "curl -H 'authorization: bearer {}' failed with 7",
        ));
        all.push(plant(
            "basic",
            format!("{}==", draw.token(22)),
            "proxy said no to Basic {} twice",
        ));
        all.push(plant(
            "basic",
            draw.token(24),
            "{\"headers\":{\"Authorization\":\"Basic {}\"},\"status\":407}",
        ));
        let jwt = ["ey", "JhbGciOiJIUzI1NiJ9.ey", "J", b.as_str()].concat();
        all.push(Planted {
            shape: "jwt",
            line: format!("token rejected: {jwt}.{} expired", draw.token(43)),
            needle: b,
        });
        all.push(plant(
            "url user",
            draw.token(12),
            "cannot reach amqp://app:{}@mq.internal:5672/main",
        ));
        all.push(plant(
            "url user",
            draw.token(12),
            "pq: could not connect to postgres://app:{}@10.0.0.7/main?sslmode=disable",
        ));
        all.push(plant(
            "dsn",
            draw.token(12),
            "dial root:{}@tcp(10.1.2.3:3306)/shop: i/o timeout",
        ));
        all.push(plant(
            "azure",
            format!("{}==", draw.token(86)),
            "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};EndpointSuffix=core",
        ));
        all.push(plant(
            "azure sas",
            draw.token(43),
            "GET https://x.blob.core.windows.net/a?sv=2022&se=2030&sig={}%3D 403",
        ));
        all.push(plant("aws secret", draw.token(40), "aws_secret_access_key = {}"));
        all.push(plant(
            "aws signature",
            draw.text(HEX, 64),
            "GET /b?X-Amz-Credential=c&X-Amz-Signature={} 403",
        ));
        let webhook = ["https://hooks.sla", "ck.com/services/T0/B0/{}"].concat();
        all.push(plant(
            "slack webhook",
            draw.token(24),
            &format!("post to {webhook} failed"),
        ));
        all.push(plant(
            "cookie",
            draw.token(20),
            "Cookie: theme=dark; session={}; lang=de",
        ));
        let pem = [
            "-----BEGIN PRIV",
            "ATE KEY-----\\n{}\\n-----END PRIV",
            "ATE KEY-----",
        ]
        .concat();
        all.push(plant(
            "pem",
            draw.token(64),
            &format!("cannot parse {pem} as a key"),
        ));
        let account = [
            "{\"type\":\"service_account\",\"priv",
            "ate_key\":\"{}\",\"client_id\":\"1\"}",
        ]
        .concat();
        all.push(plant(
            "service account",
            draw.token(70),
            &format!("bad credentials {account}"),
        ));
        all.push(plant("card", draw.card("4", 16), "payment with {} declined"));
        let digits = draw.card("51", 16);
        let grouped = format!(
            "{} {} {} {}",
            &digits[..4],
            &digits[4..8],
            &digits[8..12],
            &digits[12..]
        );
        all.push(plant("card in groups", grouped, "card {} is expired"));
        all.push(plant(
            "card amex",
            draw.card("37", 15),
            "{\"msg\":\"declined\",\"pan\":\"{}\"}",
        ));
        let mail = format!("{}@{}.example.com", draw.text(LOWER, 9), draw.text(LOWER, 6));
        all.push(plant("e-mail", mail, "no account for {}, giving up"));
        let ip = format!(
            "203.{}.{}.{}",
            100 + draw.next() % 99,
            100 + draw.next() % 99,
            100 + draw.next() % 99
        );
        all.push(plant("ipv4", ip, "client {} sent too much"));
        let ip6 = format!(
            "2001:db8:{}:{}::{}",
            draw.text(HEX, 4),
            draw.text(HEX, 4),
            draw.text(DIGITS, 3)
        );
        all.push(plant("ipv6", ip6, "client [{}]:443 went away"));
    }
    all
}
