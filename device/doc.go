// Package device is the life of one device: the facts known of it, who may
// assert them, what each mode of management requires, and the state that
// follows. It stores nothing and reads no clock; the time is an argument.
//
// A device is judged from evidence. [Facts] collect what each source last said;
// [Requirements] name what a [Mode] needs; [Device.Judge] compares the two and
// moves the state through the table in state.go. Messages that repeat, come
// late or out of order end in the same state.
package device
