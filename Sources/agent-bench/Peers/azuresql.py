"""The peers of the Azure SQL figures: drivers of others that connect with a token, ask and close in a loop.

    TDS_TOKEN=token python azuresql.py DRIVER HOST ADDRESS PORT CAFILE DATABASE CONNECTIONS SECONDS STATEMENT

DRIVER is `tds` (python-tds) or `odbc` (Microsoft's ODBC driver 18 within mssql-python). Every connection is a process of its own, so that no
lock of Python's stands between them. Chain and name are verified; names are not looked up, the address is given. Prints how many rounds were
finished, the seconds of CPU they took, and the seconds that passed. The start of Python and the first round of each process are not counted.
"""
import os
import resource
import struct
import sys
import time
from multiprocessing import get_context

driver, host, address, port, ca, database, connections, seconds, statement = sys.argv[1:10]
token = os.environ["TDS_TOKEN"]
os.environ["SSL_CERT_FILE"] = ca


def with_tds():
    import socket

    import pytds

    plain = socket.getaddrinfo
    socket.getaddrinfo = lambda name, *rest, **more: plain(address if name == host else name, *rest, **more)

    def connect():
        return pytds.connect(
            dsn=host, port=int(port), database=database, cafile=ca, validate_host=True, access_token_callable=lambda: token,
            disable_connect_retry=True, autocommit=True, timeout=10, login_timeout=10, pooling=False, appname="agent-bench",
        )

    return connect


def with_odbc():
    import mssql_python

    mssql_python.pooling(enabled=False)
    packed = token.encode("utf-16-le")
    # SQL_COPT_SS_ACCESS_TOKEN, SQL_ATTR_CONNECTION_TIMEOUT.
    attributes = {1256: struct.pack("<I", len(packed)) + packed, 113: 10}
    place = f"Server={address},{port};Database={database};Encrypt=yes;TrustServerCertificate=no;HostnameInCertificate={host}"

    def connect():
        return mssql_python.connect(place, attrs_before=attributes, autocommit=True)

    return connect


def ask_once(connect):
    connection = connect()
    cursor = connection.cursor()
    cursor.execute(statement)
    rows = cursor.fetchall()
    if len(rows) != 1:
        raise RuntimeError(f"{len(rows)} rows came back")
    cursor.close()
    connection.close()


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def work(barrier, results):
    try:
        connect = {"tds": with_tds, "odbc": with_odbc}[driver]()
        ask_once(connect)
        barrier.wait(60)
        before, begin, count = cpu(), time.monotonic(), 0
        while time.monotonic() - begin < float(seconds):
            ask_once(connect)
            count += 1
        results.put((count, cpu() - before, time.monotonic() - begin))
    except BaseException as error:
        barrier.abort()
        results.put(f"{type(error).__name__}: {error}")


def main():
    context = get_context("fork")
    barrier, results = context.Barrier(int(connections)), context.SimpleQueue()
    workers = [context.Process(target=work, args=(barrier, results)) for _ in range(int(connections))]
    for worker in workers:
        worker.start()
    answers = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    # One that fails breaks the barrier for the others, whose words say nothing.
    failures = sorted((answer for answer in answers if isinstance(answer, str)), key=lambda text: text.startswith("BrokenBarrier"))
    if failures:
        sys.exit(f"azuresql.py {driver}: {failures[0]}")
    print(sum(count for count, _, _ in answers), sum(used for _, used, _ in answers), max(elapsed for _, _, elapsed in answers))


main()
