//! Each path, and what each role gets there. A path that is new needs a row.

/// Columns of the table: the role, and what its token is bound to.
pub(super) const ROLES: [(&str, &str); 7] = [
    ("admin", ""),
    ("operations", ""),
    ("connector", "channels = [\"web\"]"),
    ("store", "nodes = [\"s1\"]"),
    ("agent", ""),
    ("auditor", ""),
    ("viewer", ""),
];

/// A list without rows.
pub(super) const NONE: u16 = 1;
/// Not asked for.
pub(super) const SKIP: u16 = 0;

pub(super) struct Row {
    pub method: &'static str,
    /// As the document has it.
    pub path: &'static str,
    /// What is asked for, and what each role gets: of the caller's own, and of another's. `@n` is a new number.
    pub own: (&'static str, &'static str, [u16; 7]),
    pub other: (&'static str, &'static str, [u16; 7]),
}

const fn row(
    method: &'static str,
    path: &'static str,
    own: (&'static str, &'static str, [u16; 7]),
    other: (&'static str, &'static str, [u16; 7]),
) -> Row {
    Row { method, path, own, other }
}

const fn get(path: &'static str, own: (&'static str, [u16; 7]), other: (&'static str, [u16; 7])) -> Row {
    row("get", path, (own.0, "", own.1), (other.0, "", other.1))
}

const fn post(path: &'static str, own: (&'static str, [u16; 7]), other: (&'static str, [u16; 7])) -> Row {
    row("post", path, (path, own.0, own.1), (path, other.0, other.1))
}

/// Without a look at whose it is.
const fn open(path: &'static str) -> Row {
    get(path, (path, [200; 7]), (path, [200; 7]))
}

const OPERATORS: [u16; 7] = [200, 200, 403, 403, 403, 403, 403];
const NODE: [u16; 7] = [200, 200, 403, 200, 403, 403, 403];
const READ: [u16; 7] = [200, 200, 403, 403, 200, 200, 200];
const READ_NODE: [u16; 7] = [200, 200, 403, 200, 200, 200, 200];
const READ_OTHER_NODE: [u16; 7] = [200, 200, 403, 404, 200, 200, 200];
const READ_CHANNEL: [u16; 7] = [200, 200, 200, 403, 200, 200, 200];
const EARLY: [u16; 7] = [202, 202, 202, 403, 403, 403, 403];
const EARLY_OTHER: [u16; 7] = [202, 202, 403, 403, 403, 403, 403];
const NEW: [u16; 7] = [201, 201, 201, 403, 403, 403, 403];
const NEW_OTHER: [u16; 7] = [201, 201, 403, 403, 403, 403, 403];
/// The message is right, and how things stand is against it.
const AGAINST: [u16; 7] = [409, 409, 403, 403, 403, 403, 403];
const AGAINST_NODE: [u16; 7] = [409, 409, 403, 409, 403, 403, 403];
const CHANNEL: [u16; 7] = [200, 200, 200, 403, 403, 403, 403];
const CHANNEL_OTHER: [u16; 7] = [200, 200, 403, 403, 403, 403, 403];
const MISSING_NODE: [u16; 7] = [404, 404, 403, 404, 404, 404, 404];
const MISSING_CHANNEL: [u16; 7] = [404, 404, 404, 403, 404, 404, 404];

const fn none(mut wanted: [u16; 7]) -> [u16; 7] {
    let mut at = 0;
    while at < wanted.len() {
        if wanted[at] == 200 {
            wanted[at] = NONE;
        }
        at += 1;
    }
    wanted
}

/// The role's column of a table of the others.
const fn but(mut wanted: [u16; 7], role: usize, other: u16) -> [u16; 7] {
    wanted[role] = other;
    wanted
}

pub(super) const CONNECTOR: usize = 2;
pub(super) const STORE: usize = 3;
pub(super) const AGENT: usize = 4;

pub(super) const ROWS: &[Row] = &[
    post(
        "/v1/orders",
        (r#"{"channel":"web","id":"@n","lines":[{"sku":"A","qty":1}]}"#, NEW),
        (r#"{"channel":"shop","id":"@n","lines":[{"sku":"B","qty":1}]}"#, NEW_OTHER),
    ),
    post(
        "/v1/amends",
        (
            r#"{"channel":"web","id":"later-@n","version":2,"lines":[{"sku":"A","qty":1}]}"#,
            but(EARLY, AGENT, 202),
        ),
        (
            r#"{"channel":"shop","id":"later-@n","version":2,"lines":[{"sku":"B","qty":1}]}"#,
            but(EARLY_OTHER, AGENT, 202),
        ),
    ),
    post(
        "/v1/cancels",
        (r#"{"channel":"web","id":"later-@n"}"#, but(EARLY, AGENT, 202)),
        (r#"{"channel":"shop","id":"later-@n"}"#, but(EARLY_OTHER, AGENT, 202)),
    ),
    post(
        "/v1/payments",
        (r#"{"channel":"web","id":"later-@n","state":"captured"}"#, EARLY),
        (r#"{"channel":"shop","id":"later-@n","state":"captured"}"#, EARLY_OTHER),
    ),
    post(
        "/v1/deliveries",
        (r#"{"channel":"web","id":"later-@n"}"#, EARLY),
        (r#"{"channel":"shop","id":"later-@n"}"#, EARLY_OTHER),
    ),
    post(
        "/v1/stock/counts",
        (r#"{"node":"s1","sku":"A","qty":1000,"key":"@n"}"#, NODE),
        (r#"{"node":"s2","sku":"B","qty":1000,"key":"@n"}"#, OPERATORS),
    ),
    post(
        "/v1/stock/receipts",
        (r#"{"node":"s1","sku":"A","qty":1,"key":"@n"}"#, NODE),
        (r#"{"node":"s2","sku":"B","qty":1,"key":"@n"}"#, OPERATORS),
    ),
    post(
        "/v1/stock/adjustments",
        (r#"{"node":"s1","sku":"A","delta":1,"key":"@n"}"#, NODE),
        (r#"{"node":"s2","sku":"B","delta":1,"key":"@n"}"#, OPERATORS),
    ),
    post(
        "/v1/stock/policies",
        (r#"{"node":"s1","sku":"A","safety_stock":1}"#, OPERATORS),
        (r#"{"node":"s2","sku":"B","safety_stock":1}"#, OPERATORS),
    ),
    post(
        "/v1/fulfilments/picked",
        (r#"{"order":"@web:work","node":"s1"}"#, NODE),
        (r#"{"order":"@shop:work","node":"s2"}"#, OPERATORS),
    ),
    // A node of the caller's, and an order of which it has nothing; then one that is not there.
    post(
        "/v1/fulfilments/picked",
        (r#"{"order":"@shop:work","node":"s1"}"#, [SKIP, SKIP, 403, 422, 403, 403, 403]),
        (r#"{"order":"o000000000000000000000","node":"s1"}"#, [200, 200, 403, 422, 403, 403, 403]),
    ),
    post(
        "/v1/fulfilments/ready",
        (r#"{"order":"@web:work","node":"s1"}"#, NODE),
        (r#"{"order":"@shop:work","node":"s2"}"#, OPERATORS),
    ),
    post(
        "/v1/fulfilments/shipped",
        (r#"{"order":"@web:work","node":"s1"}"#, NODE),
        (r#"{"order":"@shop:work","node":"s2"}"#, OPERATORS),
    ),
    post(
        "/v1/fulfilments/returned",
        (r#"{"order":"@web:work","node":"s1"}"#, NODE),
        (r#"{"order":"@shop:work","node":"s2"}"#, OPERATORS),
    ),
    post(
        "/v1/fulfilments/accepted",
        (r#"{"order":"@web:1","node":"s1"}"#, NODE),
        (r#"{"order":"@shop:2","node":"s2"}"#, OPERATORS),
    ),
    // Without a code it is the node's word; then with a wrong one.
    post(
        "/v1/fulfilments/handed_over",
        (r#"{"order":"@web:work","node":"s1"}"#, NODE),
        (r#"{"order":"@shop:work","node":"s2"}"#, OPERATORS),
    ),
    post(
        "/v1/fulfilments/handed_over",
        (r#"{"order":"@shop:work","node":"s1","code":"000000"}"#, [SKIP, SKIP, 403, 422, 403, 403, 403]),
        (r#"{"order":"@shop:work","node":"s2","code":"000000"}"#, [422, 422, 403, 403, 403, 403, 403]),
    ),
    post(
        "/v1/fulfilments/cancel_answers",
        (r#"{"order":"@web:work","node":"s1","granted":false}"#, [422, 422, 403, 422, 403, 403, 403]),
        (r#"{"order":"@shop:work","node":"s2","granted":false}"#, [422, 422, 403, 403, 403, 403, 403]),
    ),
    post(
        "/v1/offers/claims",
        (r#"{"order":"@web:work","node":"s1","epoch":1}"#, AGAINST_NODE),
        (r#"{"order":"@shop:work","node":"s2","epoch":1}"#, AGAINST),
    ),
    // An order of which the caller has nothing is answered as one that is not there.
    post(
        "/v1/offers/claims",
        (r#"{"order":"@shop:work","node":"s1","epoch":1}"#, AGAINST_NODE),
        (r#"{"order":"o000000000000000000000","node":"s1","epoch":1}"#, AGAINST_NODE),
    ),
    post(
        "/v1/offers/declines",
        (
            r#"{"order":"@web:work","offer":"f000000000000000000000000","node":"s1","reason":"other"}"#,
            AGAINST_NODE,
        ),
        (
            r#"{"order":"@shop:work","offer":"f000000000000000000000000","node":"s2","reason":"other"}"#,
            AGAINST,
        ),
    ),
    post(
        "/v1/nodes/requests",
        (r#"{"node":"s1","act":"resume"}"#, NODE),
        (r#"{"node":"s2","act":"resume"}"#, OPERATORS),
    ),
    // Operations only.
    post(
        "/v1/nodes/requests",
        (r#"{"node":"s1","act":"evacuate"}"#, [SKIP, SKIP, 403, 403, 403, 403, 403]),
        (r#"{"node":"s2","act":"evacuate"}"#, [SKIP, SKIP, 403, 403, 403, 403, 403]),
    ),
    post(
        "/v1/steers",
        (r#"{"channel":"web","id":"later-@n","act":"approve","key":"@n"}"#, but(EARLY, CONNECTOR, 403)),
        (r#"{"channel":"shop","id":"later-@n","act":"approve","key":"@n"}"#, EARLY_OTHER),
    ),
    post(
        "/v1/reservations",
        (
            r#"{"channel":"web","id":"held","node":"s1","lines":[{"line":"1","sku":"A","qty":1}],"key":"@n"}"#,
            CHANNEL,
        ),
        (
            r#"{"channel":"shop","id":"held","node":"s2","lines":[{"line":"1","sku":"B","qty":1}],"key":"@n"}"#,
            CHANNEL_OTHER,
        ),
    ),
    post(
        "/v1/reservations/extensions",
        (r#"{"channel":"web","id":"held","ttl_s":900,"key":"@n"}"#, CHANNEL),
        (r#"{"channel":"shop","id":"held","ttl_s":900,"key":"@n"}"#, CHANNEL_OTHER),
    ),
    post(
        "/v1/releases",
        // Nothing is held of that line.
        (r#"{"channel":"web","id":"held","lines":[{"line":"2"}],"key":"@n"}"#, but(AGAINST, CONNECTOR, 409)),
        (r#"{"channel":"shop","id":"held","lines":[{"line":"2"}],"key":"@n"}"#, AGAINST),
    ),
    post(
        "/v1/stock/channel_policies",
        (r#"{"channel":"web","zone":"z","sku":"A","threshold":1}"#, OPERATORS),
        (r#"{"channel":"shop","zone":"z","sku":"B","threshold":1}"#, OPERATORS),
    ),
    post(
        "/v1/quotas",
        (r#"{"channel":"web","sku":"Q","backorder":100,"weights":[{"zone":"z","weight":1}]}"#, OPERATORS),
        (r#"{"channel":"shop","sku":"Q","backorder":100,"weights":[{"zone":"z","weight":1}]}"#, OPERATORS),
    ),
    post(
        "/v1/rules",
        (
            r#"{"name":"table","zones":["z"],"routings":[{"id":"all","rules":[{"id":"one","actions":[{"do":"allocate"}]}]}]}"#,
            OPERATORS,
        ),
        (
            r#"{"name":"table","zones":["z"],"routings":[{"id":"all","rules":[{"id":"one","actions":[{"do":"allocate"}]}]}]}"#,
            OPERATORS,
        ),
    ),
    post(
        "/v1/fees",
        (r#"{"id":"table","bands":[{"km":3,"base":600}]}"#, OPERATORS),
        (r#"{"id":"table","bands":[{"km":3,"base":600}]}"#, OPERATORS),
    ),
    get("/v1/rules", ("/v1/rules", READ), ("/v1/rules", READ)),
    get("/v1/rules/{name}", ("/v1/rules/table", READ), ("/v1/rules/table", READ)),
    get("/v1/fees", ("/v1/fees", READ), ("/v1/fees", READ)),
    get("/v1/quotas", ("/v1/quotas", READ), ("/v1/quotas", READ)),
    post("/v1/zones", (r#"{"id":"z"}"#, OPERATORS), (r#"{"id":"y"}"#, OPERATORS)),
    post("/v1/nodes", (r#"{"id":"s1","zone":"z"}"#, OPERATORS), (r#"{"id":"s2","zone":"z"}"#, OPERATORS)),
    post("/v1/items", (r#"{"sku":"A"}"#, OPERATORS), (r#"{"sku":"B"}"#, OPERATORS)),
    post(
        "/v1/channels",
        (r#"{"id":"web","default_zone":"z"}"#, OPERATORS),
        (r#"{"id":"shop","default_zone":"z"}"#, OPERATORS),
    ),
    post("/v1/regions", (r#"{"id":"1","zone":"z"}"#, OPERATORS), (r#"{"id":"2","zone":"z"}"#, OPERATORS)),
    post(
        "/v1/batch",
        (r#"{"channel":"web","id":"@n","lines":[{"sku":"A","qty":1}]}"#, NEW),
        (r#"{"channel":"shop","id":"@n","lines":[{"sku":"B","qty":1}]}"#, NEW_OTHER),
    ),
    post(
        "/v1/batch",
        (
            r#"{"specversion":"1.0","type":"receipt.v1","id":"@n","source":"/t","data":{"node":"s1","sku":"A","qty":1}}"#,
            NODE,
        ),
        (
            r#"{"specversion":"1.0","type":"receipt.v1","id":"@n","source":"/t","data":{"node":"s2","sku":"B","qty":1}}"#,
            OPERATORS,
        ),
    ),
    post(
        "/v1/batch",
        (
            r#"{"specversion":"1.0","type":"picked.v1","id":"@n","source":"/t","data":{"order":"@shop:2","node":"s1"}}"#,
            [SKIP, SKIP, 403, 422, 403, 403, 403],
        ),
        (r#"{"specversion":"1.0","type":"zone.v1","id":"@n","source":"/t","data":{"id":"z"}}"#, OPERATORS),
    ),
    row(
        "post",
        "/v1/raw/{channel}",
        ("/v1/raw/web", r#"{"channel":"web","id":"@n","lines":[{"sku":"A","qty":1}]}"#, NEW),
        ("/v1/raw/sho%70", r#"{"channel":"shop","id":"@n","lines":[{"sku":"B","qty":1}]}"#, NEW_OTHER),
    ),
    get(
        "/v1/orders/{id}",
        ("/v1/orders/web:1", [200; 7]),
        ("/v1/orders/shop:2", [200, 200, 404, 404, 200, 200, 200]),
    ),
    get(
        "/v1/orders/{id}",
        ("/v1/orders/@web:1", [200; 7]),
        ("/v1/orders/@shop:2", [200, 200, 404, 404, 200, 200, 200]),
    ),
    get(
        "/v1/orders/{id}/pickup-code",
        ("/v1/orders/web:1/pickup-code", [200, 200, 200, 403, 200, 403, 403]),
        ("/v1/orders/shop:2/pickup-code", [200, 200, 404, 403, 200, 403, 403]),
    ),
    get(
        "/v1/orders/{id}/contact",
        ("/v1/orders/web:1/contact", NODE),
        ("/v1/orders/shop:2/contact", [200, 200, 403, 404, 403, 403, 403]),
    ),
    get(
        "/v1/orders",
        ("/v1/orders?external_id=1", [200; 7]),
        ("/v1/orders?external_id=2", [200, 200, NONE, NONE, 200, 200, 200]),
    ),
    get(
        "/v1/orders",
        ("/v1/orders?channel=web&node=s1&external_id=1", [200; 7]),
        ("/v1/orders?channel=shop&node=s2&external_id=2", [200, 200, NONE, NONE, 200, 200, 200]),
    ),
    get("/v1/stock", ("/v1/stock?sku=A", READ_NODE), ("/v1/stock?node=s2", but(READ_NODE, STORE, NONE))),
    get("/v1/zones", ("/v1/zones", [200; 7]), ("/v1/zones", [200; 7])),
    get("/v1/nodes", ("/v1/nodes", READ_NODE), ("/v1/nodes", READ_NODE)),
    get("/v1/items", ("/v1/items", [200; 7]), ("/v1/items", [200; 7])),
    get("/v1/channels", ("/v1/channels", READ_CHANNEL), ("/v1/channels", READ_CHANNEL)),
    get("/v1/regions", ("/v1/regions", READ), ("/v1/regions", READ)),
    get("/v1/offers", ("/v1/offers", none(READ)), ("/v1/offers", none(READ))),
    get(
        "/v1/offers/{id}",
        ("/v1/offers/f000000000000000000000000", MISSING_NODE),
        ("/v1/offers/f000000000000000000000000", MISSING_NODE),
    ),
    get(
        "/v1/nodes/{node}/offers",
        ("/v1/nodes/s1/offers", none(READ_NODE)),
        ("/v1/nodes/s2/offers", none(READ_OTHER_NODE)),
    ),
    get("/v1/nodes/{node}/work", ("/v1/nodes/s1/work", READ_NODE), ("/v1/nodes/%732/work", READ_OTHER_NODE)),
    get(
        "/v1/nodes/{node}/standing",
        ("/v1/nodes/s1/standing", READ_NODE),
        ("/v1/nodes/s2/standing", READ_OTHER_NODE),
    ),
    get(
        "/v1/nodes/{node}/stream",
        ("/v1/nodes/s1/stream", READ_NODE),
        ("/v1/nodes/s2/stream", READ_OTHER_NODE),
    ),
    get("/v1/queues", ("/v1/queues", READ), ("/v1/queues", READ)),
    get(
        "/v1/holds/{id}",
        ("/v1/holds/web:held", READ_CHANNEL),
        ("/v1/holds/shop:held", but(READ_CHANNEL, CONNECTOR, 404)),
    ),
    get("/v1/holds/{id}", ("/v1/holds/web:1", MISSING_CHANNEL), ("/v1/holds/shop:2", MISSING_CHANNEL)),
    get(
        "/v1/pools",
        ("/v1/pools?channel=web", READ_CHANNEL),
        ("/v1/pools?channel=shop", but(READ_CHANNEL, CONNECTOR, NONE)),
    ),
    open("/livez"),
    open("/readyz"),
    open("/metrics"),
    open("/v1/openapi.json"),
    open("/openapi.json"),
    open("/v1/asyncapi.json"),
];
