module example.com/enrollkit/examples/nanomdm

go 1.26.0

require (
	example.com/enrollkit v0.0.0
	github.com/micromdm/nanomdm v0.9.0
	github.com/micromdm/plist v0.2.2
)

require (
	github.com/boombuler/barcode v1.1.0 // indirect
	github.com/micromdm/nanolib v0.5.0 // indirect
	github.com/smallstep/pkcs7 v0.2.3 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace example.com/enrollkit => ../../
