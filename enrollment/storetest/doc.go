// Package storetest is the contract of [enrollment.Storage] as tests. A store
// is one when [Run] passes:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) enrollment.Storage { return mystore.New() })
//	}
//
// Each rule has a name and one plain sentence, which is printed when the rule
// is broken; [Rules] lists them. Each gets an empty store that nothing else
// uses. The suite needs the standard library only, waits for nothing but the
// store, and takes every time from a constant.
package storetest
