// Sources/CLibPQ/shim.h: libpq needs no shim for Swift; its one header is enough.
#include <libpq-fe.h>
