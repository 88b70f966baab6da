// Sources/CMariaDB/shim.h: libmariadb for Swift: its headers with what they forget to declare, and shims for macros and variadic calls.
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#define HAVE_TLS 1
typedef unsigned char uchar;
#include <mysql.h>
#include <errmsg.h>
#include <mariadb_version.h>
#include <ma_pvio.h>
#include <mysql/plugin_auth.h>

// <mysql/client_plugin.h> cannot be included: it wants a header that is not installed. Source: that file, MYSQL_CLIENT_PLUGIN_HEADER.
struct cmariadb_plugin {
    int type;
    unsigned int interface_version;
    const char *name;
    const char *author;
    const char *desc;
    unsigned int version[3];
    const char *license;
    void *mysql_api;
    int (*init)(char *, size_t, int, va_list);
    int (*deinit)(void);
    int (*options)(const char *option, const void *);
};
struct cmariadb_transport_plugin {
    struct cmariadb_plugin header;
    PVIO_METHODS *methods;
};
typedef int (*cmariadb_authenticate)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
struct cmariadb_authentication_plugin {
    struct cmariadb_plugin header;
    cmariadb_authenticate authenticate;
};
struct st_mysql_client_plugin;
struct st_mysql_client_plugin *mysql_client_find_plugin(MYSQL *mysql, const char *name, int type);
struct st_mysql_client_plugin *mysql_client_register_plugin(MYSQL *mysql, struct st_mysql_client_plugin *plugin);
// Source: <mysql/client_plugin.h>, plugin types and interface versions.
enum { CMARIADB_AUTHENTICATION = 2, CMARIADB_TRANSPORT = 101, CMARIADB_AUTHENTICATION_INTERFACE = 0x0100 };

static inline struct cmariadb_authentication_plugin *cmariadb_find_authentication(MYSQL *mysql, const char *name) {
    return (struct cmariadb_authentication_plugin *)mysql_client_find_plugin(mysql, name, CMARIADB_AUTHENTICATION);
}
static inline struct cmariadb_transport_plugin *cmariadb_find_transport(MYSQL *mysql) {
    return (struct cmariadb_transport_plugin *)mysql_client_find_plugin(mysql, "pvio_socket", CMARIADB_TRANSPORT);
}
// The plugin is never taken back, so it and its name live as long as the process. Returns 0, or 1 when another has the name.
static inline int cmariadb_register_authentication(MYSQL *mysql, const char *name, cmariadb_authenticate authenticate) {
    struct cmariadb_authentication_plugin *plugin = (struct cmariadb_authentication_plugin *)calloc(1, sizeof *plugin);
    if (!plugin) return 1;
    plugin->header.type = CMARIADB_AUTHENTICATION;
    plugin->header.interface_version = CMARIADB_AUTHENTICATION_INTERFACE;
    plugin->header.name = strdup(name);
    plugin->header.author = plugin->header.desc = "agent";
    plugin->header.version[0] = 1;
    plugin->header.license = "";
    plugin->authenticate = authenticate;
    struct st_mysql_client_plugin *own = (struct st_mysql_client_plugin *)plugin;
    return mysql_client_register_plugin(mysql, own) == own ? 0 : 1;
}

// What a MYSQL handle carries for its owner: the context of its LOCAL INFILE handler, the one pointer the library keeps for us.
static inline void *cmariadb_context(MYSQL *mysql) { return mysql->options.local_infile_userdata; }
static inline void *cmariadb_ssl(MARIADB_PVIO *pvio) { return pvio->ctls ? pvio->ctls->ssl : NULL; }
static inline void *cmariadb_session(MYSQL *mysql) { return mysql->net.pvio ? cmariadb_ssl(mysql->net.pvio) : NULL; }
static inline const char *cmariadb_tls_library(MYSQL *mysql) {
    const char *text = NULL;
    return mariadb_get_infov(mysql, MARIADB_TLS_LIBRARY, &text) == 0 ? text : NULL;
}
enum { CMARIADB_BUILT_FOR = MARIADB_PACKAGE_VERSION_ID };

// mysql_options4() takes two pointers of no type.
static inline int cmariadb_attribute(MYSQL *mysql, const char *name, const char *value) {
    return mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, name, value);
}
