CREATE SCHEMA IF NOT EXISTS "orders";
--> statement-breakpoint
CREATE TABLE "orders"."fences" (
	"task_id" text PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orders"."inbox" (
	"message_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"handled_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orders"."lines" (
	"order_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"id" uuid NOT NULL,
	"product_id" uuid NOT NULL,
	"store_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"name" text NOT NULL,
	"quantity" integer NOT NULL,
	"unit_price_minor" bigint NOT NULL,
	"picked" integer NOT NULL,
	"short" integer NOT NULL,
	"held" integer NOT NULL,
	CONSTRAINT "lines_order_id_position_pk" PRIMARY KEY("order_id","position"),
	CONSTRAINT "lines_held" CHECK ("orders"."lines"."held" between 0 and "orders"."lines"."quantity"),
	CONSTRAINT "lines_counts" CHECK ("orders"."lines"."picked" >= 0 and "orders"."lines"."short" >= 0 and "orders"."lines"."picked" + "orders"."lines"."short" <= "orders"."lines"."quantity")
);
--> statement-breakpoint
CREATE TABLE "orders"."orders" (
	"id" uuid PRIMARY KEY NOT NULL,
	"idempotency_key" text NOT NULL,
	"shopper" text NOT NULL,
	"currency" text NOT NULL,
	"state" text NOT NULL,
	"paid" boolean NOT NULL,
	"bay" text NOT NULL,
	"placed_at" timestamp (3) with time zone NOT NULL,
	"ready_at" timestamp (3) with time zone,
	"closed_at" timestamp (3) with time zone,
	"reason" text NOT NULL,
	"traceparent" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orders"."outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"message_id" text NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"correlation_id" text NOT NULL,
	"causation_id" text NOT NULL,
	"traceparent" text NOT NULL,
	"task_id" text,
	"fence" bigint,
	"body" "bytea" NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"published_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "orders"."parked" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"message_id" text NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"correlation_id" text NOT NULL,
	"causation_id" text NOT NULL,
	"traceparent" text NOT NULL,
	"task_id" text,
	"fence" bigint,
	"body" "bytea" NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"source" text NOT NULL,
	"reason" text NOT NULL,
	"attempts" integer NOT NULL,
	"parked_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orders"."products" (
	"id" uuid PRIMARY KEY NOT NULL,
	"store_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"name" text NOT NULL,
	"price_minor" bigint NOT NULL,
	"currency" text NOT NULL,
	"stock" bigint NOT NULL,
	"committed" bigint DEFAULT 0 NOT NULL,
	"removed" boolean NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "products_committed" CHECK ("orders"."products"."committed" >= 0)
);
--> statement-breakpoint
CREATE TABLE "orders"."stores" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"participating" boolean NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "orders"."lines" ADD CONSTRAINT "lines_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "orders"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "inbox_handled_at" ON "orders"."inbox" USING btree ("handled_at");--> statement-breakpoint
CREATE UNIQUE INDEX "orders_by_key" ON "orders"."orders" USING btree ("idempotency_key");--> statement-breakpoint
CREATE INDEX "orders_by_state" ON "orders"."orders" USING btree ("state","id");--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "orders"."outbox" USING btree ("id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "outbox_published" ON "orders"."outbox" USING btree ("published_at") WHERE published_at is not null;--> statement-breakpoint
CREATE INDEX "parked_by_key" ON "orders"."parked" USING btree ("key","id");