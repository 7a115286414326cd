// Package proto is the wire form of the contract, generated from
// provider.proto. It knows nothing but messages; package plugin turns them
// into the types of package providers.
package proto

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative provider.proto
