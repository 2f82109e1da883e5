package main

func Example() {
	main()
	// Output:
	// e-17 "anna@example.com" created
	// e-18 "petr.private@example.net" created
	// e-99 "" not_found
}
