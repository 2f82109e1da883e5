module example.com/enrollkit

go 1.26.0

require (
	github.com/boombuler/barcode v1.1.0
	github.com/gorilla/mux v1.8.1
	github.com/stretchr/testify v1.12.1
	golang.org/x/crypto v0.58.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
