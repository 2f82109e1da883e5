package main

func Example() {
	main()
	// Output:
	// pending missing [agent_installed work_profile permissions inventory_received]
	// active missing []
}
