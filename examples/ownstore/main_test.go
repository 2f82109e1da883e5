package main

import (
	"testing"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/memstore"
	"example.com/enrollkit/enrollment/storetest"
)

func Example() {
	main()
	// Output:
	// invitation.created by admin ""
	// invitation.deactivated by admin "by_admin"
}

func open(*testing.T) enrollment.Storage { return audited{memstore.New(), &auditLog{}} }

func TestOwnStoreKeepsTheContract(t *testing.T) { storetest.Run(t, open) }
