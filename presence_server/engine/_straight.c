/* The loop of straight.py in C: one frame to many descriptors, without the interpreter's lock while it writes.
 *
 * write_all(wires, frame) is what straight.write_all is: wires is an iterable of objects with an int `descriptor`, or of
 * None; the answer lists (wire, bytes taken) for each that did not take the frame whole. Only sockets are written to.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE */
#endif

typedef struct {
    Py_ssize_t at; /* in the list of wires */
    Py_ssize_t sent;
    int fd;
} Write;

static PyObject *descriptor_name;

/* The wires that can be written to, and those that cannot with nothing sent; how many, -1 with an exception set. */
static Py_ssize_t gather(PyObject *wires, Write *writes) {
    Py_ssize_t count = 0;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(wires); at++) {
        PyObject *wire = PyList_GET_ITEM(wires, at), *descriptor;
        long fd;
        if (wire == Py_None) continue;
        descriptor = PyObject_GetAttr(wire, descriptor_name);
        if (descriptor == NULL) return -1;
        fd = PyLong_AsLong(descriptor);
        Py_DECREF(descriptor);
        if (fd == -1 && PyErr_Occurred()) return -1;
        writes[count++] = (Write){.at = at, .sent = 0, .fd = (int)fd};
    }
    return count;
}

static void write_each(Write *writes, Py_ssize_t count, const char *frame, size_t size) {
    for (Py_ssize_t k = 0; k < count; k++) {
        ssize_t sent = -1;
        if (writes[k].fd < 0) continue;
        do sent = send(writes[k].fd, frame, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        writes[k].sent = sent < 0 ? 0 : sent;
    }
}

static PyObject *behind(PyObject *wires, const Write *writes, Py_ssize_t count, Py_ssize_t size) {
    PyObject *found = PyList_New(0);
    for (Py_ssize_t k = 0; found != NULL && k < count; k++) {
        PyObject *pair;
        if (writes[k].sent == size) continue;
        pair = Py_BuildValue("On", PyList_GET_ITEM(wires, writes[k].at), writes[k].sent);
        if (pair == NULL || PyList_Append(found, pair) < 0) Py_CLEAR(found);
        Py_XDECREF(pair);
    }
    return found;
}

static PyObject *write_all(PyObject *module, PyObject *const *arguments, Py_ssize_t number) {
    PyObject *wires, *found = NULL;
    Write one, *writes = &one;
    Py_ssize_t count;
    (void)module;
    if (number != 2 || !PyBytes_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "write_all takes wires and the bytes of a frame");
        return NULL;
    }
    wires = PySequence_List(arguments[0]);
    if (wires == NULL) return NULL;
    if (PyList_GET_SIZE(wires) > 1) writes = PyMem_New(Write, PyList_GET_SIZE(wires));
    if (writes == NULL) PyErr_NoMemory();
    else if ((count = gather(wires, writes)) >= 0) {
        const char *frame = PyBytes_AS_STRING(arguments[1]);
        Py_ssize_t size = PyBytes_GET_SIZE(arguments[1]);
        Py_BEGIN_ALLOW_THREADS
        write_each(writes, count, frame, (size_t)size);
        Py_END_ALLOW_THREADS
        found = behind(wires, writes, count, size);
    }
    if (writes != &one) PyMem_Free(writes);
    Py_DECREF(wires);
    return found;
}

static PyMethodDef functions[] = {
    {"write_all", (PyCFunction)(void (*)(void))write_all, METH_FASTCALL,
     "Write a frame to every wire; those that did not take it whole, and how many bytes they took."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_straight", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__straight(void) {
    descriptor_name = PyUnicode_InternFromString("descriptor");
    return descriptor_name == NULL ? NULL : PyModule_Create(&definition);
}
