// Package fault kills the reference server and looks at what is left.
//
// The long run, "make fault", has the build tag fault: it starts the server as a
// process of its own, lets clients work on it over HTTP, kills it at a random
// moment, and compares the database with what the clients were told, after
// every kill. [Check] is the part that needs no clients: rules that hold of every
// database of a server that is not running. A quick test, without the tag,
// proves that each rule bites.
package fault
