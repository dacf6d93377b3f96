CREATE SCHEMA IF NOT EXISTS "kiosk";
--> statement-breakpoint
CREATE TABLE "kiosk"."fences" (
	"task_id" text PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "kiosk"."inbox" (
	"message_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"handled_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "kiosk"."outbox" (
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
CREATE TABLE "kiosk"."parked" (
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
CREATE TABLE "kiosk"."products" (
	"product_id" text PRIMARY KEY NOT NULL,
	"store_id" text NOT NULL,
	"sku" text NOT NULL,
	"name" text NOT NULL,
	"price_minor" bigint NOT NULL,
	"currency" text NOT NULL,
	"stock" bigint NOT NULL,
	"removed" boolean NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "kiosk"."stores" (
	"store_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"participating" boolean NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "kiosk"."timeline" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"order_id" text NOT NULL,
	"name" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"data" jsonb NOT NULL,
	"traceparent" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "inbox_handled_at" ON "kiosk"."inbox" USING btree ("handled_at");--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "kiosk"."outbox" USING btree ("id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "outbox_published" ON "kiosk"."outbox" USING btree ("published_at") WHERE published_at is not null;--> statement-breakpoint
CREATE INDEX "parked_by_key" ON "kiosk"."parked" USING btree ("key","id");--> statement-breakpoint
CREATE INDEX "products_by_store" ON "kiosk"."products" USING btree ("store_id");--> statement-breakpoint
CREATE INDEX "timeline_by_order" ON "kiosk"."timeline" USING btree ("order_id","id");