package main

func Example() {
	main()
	// Output:
	// handler: device.activated pending -> active
	// 1 invitation.created admin
	// 2 invitation.credentials_revealed admin
	// 3 device.enrolled device
	// 4 invitation.opened device
	// 5 device.activated source:ourmdm
}
