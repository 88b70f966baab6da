"""One driver of others against the lab's server: drive.py DRIVER PORT CA_FILE MODE, the token on standard input. Prints one JSON object.

DRIVER is odbc (Microsoft's ODBC driver 18 through mssql-python), tds (python-tds), core (Microsoft's Rust core) or entra (the same, which asks the
server first who issues tokens for it); MODE is mandatory or strict.
"""
import datetime
import decimal
import json
import os
import struct
import sys
import uuid

driver, port, ca, mode = sys.argv[1:5]
token = sys.stdin.read()
os.environ["SSL_CERT_FILE"] = ca


def plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value).lower()
    return f"{type(value).__name__} {value}"


def connect():
    if driver == "odbc":
        import mssql_python

        packed = token.encode("utf-16-le")
        return mssql_python.connect(
            f"Server=localhost,{port};Database=appdb;Encrypt={'strict' if mode == 'strict' else 'yes'};TrustServerCertificate=no",
            attrs_before={1256: struct.pack("<I", len(packed)) + packed, 113: 10},
            autocommit=True,
        )
    import pytds

    return pytds.connect(
        dsn="localhost", port=int(port), database="appdb", cafile=ca, access_token_callable=lambda: token, disable_connect_retry=True,
        autocommit=True, timeout=10, login_timeout=10,
    )


def rows(cursor, sql, *parameters):
    cursor.execute(sql, *parameters)
    return [[plain(value) for value in row] for row in cursor.fetchall()]


answer = {}


def core():
    import mssql_py_core

    settings = {"server": f"localhost,{port}", "database": "appdb", "encryption": "Mandatory", "trust_server_certificate": True}
    if driver == "core":
        settings["access_token"] = token
    else:

        def factory(resource, authority, method):
            answer["issuer"] = [resource, authority]
            return token.encode("utf-16-le")

        settings |= {
            "authentication": "ActiveDirectoryServicePrincipal", "user_name": "client", "password": "unused", "entra_id_token_factory": factory,
        }
    connection = mssql_py_core.PyCoreConnection(settings)
    cursor = connection.cursor()
    cursor.execute("select 1")
    answer["one"] = [[plain(value) for value in row] for row in cursor.fetchall()]
    connection.close()


if driver in ("core", "entra"):
    try:
        core()
    except Exception as error:
        answer["failed"] = f"{type(error).__name__}: {error}"
    print(json.dumps(answer))
    sys.exit(0)
try:
    connection = connect()
    cursor = connection.cursor()
    answer["one"] = rows(cursor, "select 1")
    answer["types"] = rows(cursor, "lab types")
    answer["fixed"] = rows(cursor, "lab fixed")
    answer["old"] = rows(cursor, "lab old")
    answer["wide"] = [len(row[0]) for row in rows(cursor, "lab wide")]
    answer["many"] = len(rows(cursor, "lab rows 3000"))
    answer["parameters"] = rows(cursor, "select ?, ?", (42, "x")) if driver == "odbc" else rows(cursor, "select %s, %s", (42, "x"))
    try:
        rows(cursor, "lab error")
    except Exception as error:
        answer["error"] = str(error)
    answer["after"] = rows(connection.cursor(), "select 1")
    connection.close()
except Exception as error:
    answer["failed"] = f"{type(error).__name__}: {error}"
print(json.dumps(answer))
