"""The inputs of the database connector: their names, kinds and defaults. What they mean stands where they are read."""

from __future__ import annotations

from tasks.connectors.declared import Input

OPERATIONS = ("query", "execute", "statements", "call")
RETURN_TYPES = ("all", "first", "scalar", "count")
ISOLATIONS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED")
TRANSACTIONS = ("own", "completing")
ROWS, MOST_ROWS = 1000, 100_000
BYTES, MOST_BYTES = 1_500_000, 64_000_000

JDBC_DRIVERS = {
    "POSTGRESQL": "postgresql",
    "MARIADB": "mariadb",
    "MYSQL": "mysql",
    "MSSQL": "mssql",
    "ORACLE": "oracle",
}

OWN = (
    Input("dsn", secret=True, help="Address of the database, where the task names no connection."),
    Input("operation", choices=OPERATIONS, default="query", help="What to do."),
    Input("sql", help="Of query and execute: one statement, with `:names`."),
    Input("parameters", "any", help="Values by these names; of execute also a list of such contexts."),
    Input("returnType", choices=RETURN_TYPES, default="all", help="What a query returns."),
    Input("statements", "list", help="Of statements: texts, or contexts of sql and parameters."),
    Input("procedure", help="Of call: its name."),
    Input("function", help="Of call: its name."),
    Input("arguments", "list", help="Of call: values, or contexts of value, mode, name and type."),
    Input("deadlineInSeconds", "seconds", help="As long as the connection says, or else 30; at most the lease."),
    Input("maxRows", "integer", default=ROWS, help="More rows are an error."),
    Input("maxResponseBytes", "integer", default=BYTES, help="A larger response is an error."),
    Input("readOnly", "boolean", help="Whether the database refuses to write."),
    Input("isolation", choices=ISOLATIONS, help="Of the transaction; the database's own unless given."),
    Input("jsonColumns", "any", help="A name or a list of names: columns of JSON text."),
    Input("transaction", choices=TRANSACTIONS, default="own", help="Its own, or the one that completes the job."),
)
"""Of job type ``sql``."""

JDBC = (
    Input("database", choices=tuple(JDBC_DRIVERS), help="Camunda's: which one it is."),
    Input(
        "connection",
        "context",
        fields=(
            "authType",
            "uri",
            "uriProperties",
            "host",
            "port",
            "username",
            "password",
            "databaseName",
            "properties",
        ),
        help="Camunda's: authType uri with a uri, or detailed with host, port, username, password, databaseName.",
    ),
    Input(
        "data",
        "context",
        fields=("query", "variables", "returnResults"),
        help="Camunda's: the statement and its values.",
    ),
)
"""Of Camunda's job type."""

INPUTS = (*OWN, *JDBC)
