/*
 * The peer of the MySQL figures: connects, asks and closes in a loop, with nothing between it and libmariadb.
 *
 *     MYSQL_PWD=token agent-bench-mysql HOST PORT NAMESERVER CAFILE USER DATABASE CONNECTIONS SECONDS STATEMENT...
 *
 * Every connection is a thread of its own with options like those of the agent: TLS 1.2 or later with chain and name verified, the plugin for
 * tokens asked for at once, no local files, bounded packets. libmariadb looks names up itself, so each thread points its resolver to the
 * name server of the lab (address:port). Prints how many rounds were finished and how many seconds that took.
 */
#include <arpa/inet.h>
#include <mysql.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *host, *ca_file, *user, *database, *token;
static unsigned int port;
static struct sockaddr_in name_server;
static char **statements;
static int statement_count;
static double deadline;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(MYSQL *mysql, const char *what)
{
    fprintf(stderr, "agent-bench-mysql: %s: %u %s\n", what, mysql ? mysql_errno(mysql) : 0, mysql ? mysql_error(mysql) : "");
    exit(1);
}

/* The resolver's state belongs to the thread. */
static void point_resolver(void)
{
    if (res_init() != 0)
        fail(NULL, "res_init");
    _res.nscount = 1;
    _res.nsaddr_list[0] = name_server;
    _res.options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
}

static void ask_once(void)
{
    const my_bool yes = 1;
    const unsigned int no = 0, patience = 10;
    const size_t packet = 1 << 18;
    MYSQL *mysql = mysql_init(NULL);
    int index;

    if (mysql == NULL)
        fail(NULL, "mysql_init");
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
    mysql_options(mysql, MYSQL_OPT_SSL_CA, ca_file);
    mysql_options(mysql, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
    mysql_options(mysql, MYSQL_DEFAULT_AUTH, "mysql_clear_password");
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &patience);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &patience);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &patience);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "agent-bench-mysql");
    if (mysql_real_connect(mysql, host, user, token, database, port, NULL, 0) == NULL)
        fail(mysql, "connect");
    for (index = 0; index < statement_count; index++) {
        MYSQL_RES *result;
        if (mysql_real_query(mysql, statements[index], strlen(statements[index])) != 0)
            fail(mysql, statements[index]);
        result = mysql_store_result(mysql);
        if (result == NULL && mysql_errno(mysql) != 0)
            fail(mysql, statements[index]);
        if (result != NULL)
            mysql_free_result(result);
    }
    mysql_close(mysql);
}

static void *work(void *counter)
{
    point_resolver();
    while (now() < deadline) {
        ask_once();
        ++*(long *)counter;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    enum { LIMIT = 256 };
    static pthread_t threads[LIMIT];
    static long counters[LIMIT];
    char *colon;
    int connections, index;
    long count = 0;
    double begin;

    if (argc < 10 || (token = getenv("MYSQL_PWD")) == NULL || (colon = strrchr(argv[3], ':')) == NULL) {
        fprintf(stderr, "usage: MYSQL_PWD=token agent-bench-mysql HOST PORT NAMESERVER CAFILE USER DATABASE CONNECTIONS SECONDS STATEMENT...\n");
        return 64;
    }
    host = argv[1];
    port = (unsigned int)atoi(argv[2]);
    *colon = 0;
    name_server.sin_family = AF_INET;
    name_server.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, argv[3], &name_server.sin_addr) != 1)
        fail(NULL, "the name server has no address");
    ca_file = argv[4];
    user = argv[5];
    database = argv[6];
    connections = atoi(argv[7]);
    if (connections < 1 || connections > LIMIT)
        fail(NULL, "1 to 256 connections");
    statements = argv + 9;
    statement_count = argc - 9;
    if (mysql_library_init(0, NULL, NULL) != 0)
        fail(NULL, "mysql_library_init");
    begin = now();
    deadline = begin + atof(argv[8]);
    for (index = 0; index < connections; index++)
        if (pthread_create(&threads[index], NULL, work, &counters[index]) != 0)
            fail(NULL, "pthread_create");
    for (index = 0; index < connections; index++) {
        pthread_join(threads[index], NULL);
        count += counters[index];
    }
    printf("%ld %.6f\n", count, now() - begin);
    return 0;
}
