package storetest

import (
	"context"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// kindOther is a kind that no store has a reason to know.
const kindOther enrollment.CredentialKind = "storetest"

var credentialTrace = trace{
	seed: putCredentials(credentialRows.row("site", "one")),
	write: all(
		putCredentials(enrollment.Credential{Site: "site", Owner: "one", Kind: enrollment.KindInvitation, Index: mac("new")}),
		putCredentials(indexed("site", "two", enrollment.KindInvitation, credentialRows.row("site", "one").Index)),
	),
	read: func(ctx context.Context, tx enrollment.Tx) (any, error) {
		return tx.Credentials().List(ctx, enrollment.KindInvitation, enrollment.Credential{}, 100)
	},
}

func indexed(site, owner string, kind enrollment.CredentialKind, index credentials.MAC) enrollment.Credential {
	return enrollment.Credential{Site: site, Owner: owner, Kind: kind, Index: index, CreatedAt: at(0)}
}

func listCredentials(kind enrollment.CredentialKind, after enrollment.Credential, limit int) reading[[]string] {
	return func(ctx context.Context, tx enrollment.Tx) ([]string, error) {
		list, err := tx.Credentials().List(ctx, kind, after, limit)
		return ids(list, func(c enrollment.Credential) string { return c.Site + "/" + c.Owner }), err
	}
}

var credentialRules = []rule{
	{"one row for each kind", "Kinds are part of the key: one owner has a row of each.", func(t tb, s enrollment.Storage) {
		one, two := credentialRows.row("site", "one"), credentialRows.row("site", "one")
		two.Kind, two.Check = kindOther, mac("other")
		do(t, s, putCredentials(one), putCredentials(two))
		same(t, "the first", see(t, s, getCredential("site", "one", one.Kind)), one)
		same(t, "the second", see(t, s, getCredential("site", "one", two.Kind)), two)
		misses(t, s, "a third", getCredential("site", "one", enrollment.KindCanary))
	}},
	{"tell nothing from empty", "A Sealed that is nil comes back nil, and one that is empty does not.", func(t tb, s enrollment.Storage) {
		none, empty := indexed("site", "none", kindOther, mac("1")), indexed("site", "empty", kindOther, mac("2"))
		empty.Sealed = []byte{}
		do(t, s, putCredentials(none, empty))
		if got := see(t, s, getCredential("site", "none", kindOther)); got.Sealed != nil {
			t.Errorf("nil came back as %#v", got.Sealed)
		}
		if got := see(t, s, getCredential("site", "empty", kindOther)); got.Sealed == nil || len(got.Sealed) > 0 {
			t.Errorf("empty came back as %#v", got.Sealed)
		}
	}},
	{"index is unique in a kind", "An Index of another row of the kind, in whatever site, is refused with ErrExists.", func(t tb, s enrollment.Storage) {
		do(t, s, putCredentials(indexed("site", "one", kindOther, mac("index"))))
		for _, c := range []enrollment.Credential{
			indexed("site", "two", kindOther, mac("index")),
			indexed("other", "one", kindOther, mac("index")),
		} {
			fails(t, s, enrollment.ErrExists, putCredentials(indexed("site", "three", kindOther, mac("3")), c))
			misses(t, s, "the refused row", getCredential(c.Site, c.Owner, kindOther))
			misses(t, s, "the row beside it", getCredential("site", "three", kindOther))
		}
		do(t, s, putCredentials(indexed("site", "one", enrollment.KindInvitation, mac("index"))))
		do(t, s, putCredentials(indexed("site", "one", kindOther, mac("index")))) // its own
	}},
	{"without an index", "Any number of rows have no Index, and none is found by the zero MAC.", func(t tb, s enrollment.Storage) {
		do(t, s, putCredentials(indexed("site", "one", kindOther, credentials.MAC{}), indexed("site", "two", kindOther, credentials.MAC{})))
		misses(t, s, "by the zero MAC", byIndex(kindOther, credentials.MAC{}))
		misses(t, s, "by no MAC", byIndex(kindOther))
	}},
	{"found by any candidate", "ByIndex finds the row of the kind whose Index is one of the candidates.", func(t tb, s enrollment.Storage) {
		one, two := indexed("a", "one", kindOther, mac("1")), indexed("b", "two", kindOther, mac("2"))
		do(t, s, putCredentials(one, two))
		same(t, "by one", see(t, s, byIndex(kindOther, mac("1"))), one)
		same(t, "by one of three", see(t, s, byIndex(kindOther, mac("x"), mac("2"), credentials.MAC{})), two)
		misses(t, s, "by none of two", byIndex(kindOther, mac("x"), mac("y")))
		misses(t, s, "in another kind", byIndex(enrollment.KindInvitation, mac("1")))
		old := mac("1")
		old.KeyID++
		misses(t, s, "by the same sum of another key", byIndex(kindOther, old))
	}},
	{"index follows changes", "A row is found by its present Index only, and the old one is free.", func(t tb, s enrollment.Storage) {
		do(t, s, putCredentials(indexed("site", "one", kindOther, mac("old"))))
		do(t, s, putCredentials(indexed("site", "one", kindOther, mac("new"))))
		misses(t, s, "by the old index", byIndex(kindOther, mac("old")))
		same(t, "by the new index", see(t, s, byIndex(kindOther, mac("new"))).Owner, "one")
		do(t, s, putCredentials(indexed("site", "two", kindOther, mac("old"))))
		same(t, "by the old index, given away", see(t, s, byIndex(kindOther, mac("old"))).Owner, "two")
	}},
	{"list in order", "List goes through the rows of one kind of every site, by site and then owner, byte by byte.", func(t tb, s enrollment.Storage) {
		want := []string{"/1", "/2", "A/x", "a/Z", "a/b", "a/z", "a/é", "a!/a"}
		for _, c := range []enrollment.Credential{
			indexed("a!", "a", kindOther, mac("a")), indexed("a", "é", kindOther, mac("b")), indexed("", "2", kindOther, mac("c")),
			indexed("a", "z", kindOther, mac("d")), indexed("a", "Z", kindOther, mac("e")), indexed("", "1", kindOther, mac("f")),
			indexed("a", "b", kindOther, mac("g")), indexed("A", "x", kindOther, mac("h")),
		} {
			do(t, s, putCredentials(c))
		}
		do(t, s, putCredentials(indexed("a", "c", enrollment.KindInvitation, mac("i"))))
		same(t, "all", see(t, s, listCredentials(kindOther, enrollment.Credential{}, 100)), want)
		same(t, "the first three", see(t, s, listCredentials(kindOther, enrollment.Credential{}, 3)), want[:3])
		same(t, "after a row", see(t, s, listCredentials(kindOther, enrollment.Credential{Site: "a", Owner: "b"}, 2)), want[5:7])
		same(t, "after a row that is not there", see(t, s, listCredentials(kindOther, enrollment.Credential{Site: "a", Owner: "bb"}, 2)), want[5:7])
		same(t, "after the last", see(t, s, listCredentials(kindOther, enrollment.Credential{Site: "a!", Owner: "a"}, 2)), []string{})
	}},
	{"delete", "Delete forgets the rows named and no other, frees their Index, and leaves alone what is not there.", func(t tb, s enrollment.Storage) {
		one, other := indexed("site", "one", kindOther, mac("1")), indexed("site", "one", enrollment.KindInvitation, mac("1"))
		elsewhere := indexed("other", "one", kindOther, mac("2"))
		do(t, s, putCredentials(one, other, elsewhere, indexed("site", "two", kindOther, credentials.MAC{})))
		key := func(site, owner string) enrollment.CredentialKey {
			return enrollment.CredentialKey{Site: site, Owner: owner, Kind: kindOther}
		}
		do(t, s, deleteCredentials(key("site", "one"), key("site", "nobody"), key("site", "two"), key("third", "one")), deleteCredentials())
		misses(t, s, "the deleted row", getCredential("site", "one", kindOther))
		misses(t, s, "the deleted row without an index", getCredential("site", "two", kindOther))
		misses(t, s, "by its index", byIndex(kindOther, mac("1")))
		same(t, "the row of another kind", see(t, s, getCredential("site", "one", enrollment.KindInvitation)), other)
		same(t, "the row of another site", see(t, s, byIndex(kindOther, mac("2"))), elsewhere)
		do(t, s, putCredentials(indexed("site", "three", kindOther, mac("1"))))
		same(t, "by the index that was free", see(t, s, byIndex(kindOther, mac("1"))).Owner, "three")
	}},
}
