/*
 * pam_agent_lab.so: lets the lab decide whether a token opens a database role.
 *
 * PostgreSQL and MariaDB ask their client for a clear-text password (inside TLS) and call this module with it. The module hands the role
 * name and the token to the lab over a Unix socket and returns the lab's verdict. It keeps nothing, logs nothing and knows nothing about
 * tokens.
 *
 * Service file:   auth    required /path/pam_agent_lab.so socket=/path/gate.sock
 *                 account required /path/pam_agent_lab.so
 * Message:        4 bytes length, role, 4 bytes length, token (lengths big-endian)
 * Answer:         one byte, 'Y' or 'N'; anything else counts as unavailable
 *
 * Preloaded into a server (LD_PRELOAD), it also takes the place of pam_start() and reads service files from $AGENT_LAB_PAM_DIR instead of
 * /etc/pam.d, which only root may write to.
 *
 * The development package of PAM is not needed: what is used of it has been stable for decades and is declared below. The module names
 * libpam as its own library because MariaDB loads its plugins, and with them libpam, out of the sight of later ones.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct pam_handle pam_handle_t;
struct pam_conv;
/* Source: Linux-PAM, _pam_types.h, pam_appl.h and pam_ext.h. */
enum { PAM_SUCCESS = 0, PAM_SYSTEM_ERR = 4, PAM_PERM_DENIED = 6, PAM_AUTH_ERR = 7, PAM_AUTHINFO_UNAVAIL = 9 };
enum { PAM_AUTHTOK = 6 };
extern int pam_get_user(pam_handle_t *handle, const char **user, const char *prompt);
extern int pam_get_authtok(pam_handle_t *handle, int item, const char **token, const char *prompt);
/* Linux-PAM 1.4 or later; before that there is no way without root. */
extern int pam_start_confdir(const char *service, const char *user, const struct pam_conv *conversation, const char *directory,
                             pam_handle_t **handle) __attribute__((weak));

#define EXPORT __attribute__((visibility("default")))

/* Longer than any token the lab is asked to issue, shorter than what could hurt. */
#define LONGEST 131072

static int send_all(int descriptor, const void *bytes, size_t count)
{
    const char *next = bytes;
    while (count > 0) {
        ssize_t sent = send(descriptor, next, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        next += sent;
        count -= (size_t)sent;
    }
    return 0;
}

static int send_text(int descriptor, const char *text)
{
    size_t count = strlen(text);
    unsigned char length[4];
    if (count > LONGEST)
        return -1;
    length[0] = (unsigned char)(count >> 24);
    length[1] = (unsigned char)(count >> 16);
    length[2] = (unsigned char)(count >> 8);
    length[3] = (unsigned char)count;
    if (send_all(descriptor, length, sizeof length) != 0)
        return -1;
    return send_all(descriptor, text, count);
}

static int ask(const char *path, const char *user, const char *token)
{
    struct sockaddr_un address;
    struct timeval patience = {10, 0};
    char verdict = 0;
    int result = PAM_AUTHINFO_UNAVAIL;
    int descriptor;

    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address.sun_path)
        return result;
    strcpy(address.sun_path, path);
    descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return result;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0
        && send_text(descriptor, user) == 0 && send_text(descriptor, token) == 0
        && recv(descriptor, &verdict, 1, 0) == 1)
        result = verdict == 'Y' ? PAM_SUCCESS : verdict == 'N' ? PAM_AUTH_ERR : PAM_AUTHINFO_UNAVAIL;
    close(descriptor);
    return result;
}

/* Only a program that has this library preloaded finds this function before that of libpam. */
EXPORT int pam_start(const char *service, const char *user, const struct pam_conv *conversation, pam_handle_t **handle)
{
    const char *directory = getenv("AGENT_LAB_PAM_DIR");

    if (pam_start_confdir == NULL || directory == NULL)
        return PAM_SYSTEM_ERR;
    return pam_start_confdir(service, user, conversation, directory, handle);
}

EXPORT int pam_sm_authenticate(pam_handle_t *handle, int flags, int argc, const char **argv)
{
    const char *user = NULL, *token = NULL, *path = NULL;
    int index;

    (void)flags;
    for (index = 0; index < argc; index++)
        if (strncmp(argv[index], "socket=", 7) == 0)
            path = argv[index] + 7;
    if (path == NULL || pam_get_user(handle, &user, NULL) != PAM_SUCCESS || user == NULL)
        return PAM_AUTHINFO_UNAVAIL;
    if (pam_get_authtok(handle, PAM_AUTHTOK, &token, NULL) != PAM_SUCCESS || token == NULL)
        return PAM_AUTH_ERR;
    return ask(path, user, token);
}

EXPORT int pam_sm_setcred(pam_handle_t *handle, int flags, int argc, const char **argv)
{
    (void)handle, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}

EXPORT int pam_sm_acct_mgmt(pam_handle_t *handle, int flags, int argc, const char **argv)
{
    (void)handle, (void)flags, (void)argc, (void)argv;
    return PAM_SUCCESS;
}
