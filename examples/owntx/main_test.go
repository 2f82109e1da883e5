package main

func Example() {
	main()
	// Output:
	// Anna: <nil>
	// Petr: no budget
	// mail to anna@example.com
	// 1 employee, 1 invitation
}
