package main

func Example() {
	main()
	// Output:
	// accept: 200
	// on to: enterprise.google.com
	// device Google Pixel 8 active []
	// accept: 200
	// deleted there: [enterprises/LC01/devices/2]
	// device Google Pixel 8 unenrolled []
}
